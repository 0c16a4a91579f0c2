// The scheduler's decisions: which daemons are alive, which server owns which
// partition under which term, which worker works on which item, and which jobs
// run.
//
// Messages and time go in, actions come out; it has no thread, socket, clock or
// disk. The daemon (scheduler_shell.h) and the simulator run the same class.
//
// A scheduler always starts the same way, whatever its store holds: it grants
// nothing until every server named in the store or by a server has reported,
// or SchedulerOptions::takeover_after has passed; then every partition gets a
// new term. Training goes on meanwhile, and the servers' marks, which are the
// truth, say what it missed (docs/protocol.md, "The scheduler starts").
//
// Thread-compatible: the shell holds one lock around it.
#ifndef EBB_SCHEDULER_SCHEDULER_CORE_H_
#define EBB_SCHEDULER_SCHEDULER_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/allotment.h"
#include "scheduler/cluster.h"
#include "scheduler/training_job.h"

namespace ebb::scheduler {

class SchedulerCore {
 public:
  // `stored` is what SchedulerStore::Load gave. DataLoss when a record cannot
  // be read.
  static absl::StatusOr<std::unique_ptr<SchedulerCore>> Create(
      SchedulerOptions options,
      const std::map<std::string, std::string>& stored, absl::Time now);

  // --- Sessions --------------------------------------------------------------
  // A link's first message is its registration; what comes before, or on a
  // link that a newer one of the same session replaced, is ignored.
  void OnServer(LinkId link, const ServerToScheduler& message, absl::Time now,
                SchedulerActions* out);
  void OnWorker(LinkId link, const WorkerToScheduler& message, absl::Time now,
                SchedulerActions* out);
  void OnServerDisconnected(LinkId link, absl::Time now, SchedulerActions* out);
  void OnWorkerDisconnected(LinkId link, absl::Time now, SchedulerActions* out);

  // --- Operators -------------------------------------------------------------
  // Draws an id and begins the job. InvalidArgument when its plan is none;
  // `record.id` is ignored.
  absl::StatusOr<JobId> Submit(JobRecord record, absl::Time now,
                               SchedulerActions* out);
  // NotFound when there is no such job.
  absl::Status Checkpoint(JobId job, absl::Time now, SchedulerActions* out);
  absl::Status Cancel(JobId job, absl::Time now, SchedulerActions* out);
  // Removes the job from all lists; servers drop it, with their stored versions
  // if `versions`. FailedPrecondition: it is not over. Unavailable: this
  // scheduler has yet to hear of the servers.
  absl::Status Forget(JobId job, bool versions, absl::Time now,
                      SchedulerActions* out);
  // Takes the workers of the job away until EndPause.
  // FailedPrecondition: it is over.
  absl::Status Pause(JobId job, absl::Time now, SchedulerActions* out);
  absl::Status EndPause(JobId job, absl::Time now, SchedulerActions* out);
  // How many workers and servers it has at most from now on; nullopt: as many
  // as before. See TrainingJob.
  struct Scale {
    std::optional<int32_t> workers;
    std::optional<int32_t> servers;
  };
  absl::Status ScaleJob(JobId job, const Scale& scale, absl::Time now,
                        SchedulerActions* out);
  absl::Status Rollback(JobId job, const RollbackOrder& order, absl::Time now,
                        SchedulerActions* out);
  // Decides about every quarantined item, and ends an operator's pause.
  // FailedPrecondition: the job is not paused.
  absl::Status Resume(JobId job, bool skip_quarantined, absl::Time now,
                      SchedulerActions* out);
  // Decides about a quarantined item. Trying again an open item is OK. To skip:
  // NotFound: it is not quarantined. FailedPrecondition: no batch of it failed.
  absl::Status Resolve(JobId job, ItemId item, bool skip, absl::Time now,
                       SchedulerActions* out);

  // Call at NextTick() or later.
  void OnTick(absl::Time now, SchedulerActions* out);
  absl::Time NextTick() const;

  // --- What it is ------------------------------------------------------------
  bool gathering() const { return gathering_; }
  const std::map<JobId, std::unique_ptr<TrainingJob>>& jobs() const {
    return jobs_;
  }
  const Cluster& cluster() const { return cluster_; }
  const SchedulerOptions& options() const { return options_; }
  const Allotment& allotment() const { return allotment_; }

 private:
  SchedulerCore(SchedulerOptions options, absl::Time now);

  void Handle(LinkId link, const RegisterServer& message, Context* context);
  void Handle(LinkId link, const RegisterPartitions& message, Context* context);
  void Handle(LinkId link, const MarkReport& message, Context* context);
  void Handle(LinkId link, const ViewRequest& message, Context* context);
  void Handle(LinkId link, const SnapshotReply& message, Context* context);
  void Handle(LinkId link, const ServerStatistics& message, Context* context);
  void Handle(LinkId link, const ServerGoodbye& message, Context* context);
  void Handle(LinkId link, const ServerAlive& message, Context* context) {}
  void Handle(LinkId link, const ServerLeaving& message, Context* context);
  void Handle(LinkId link, const MoveProgress& message, Context* context);
  void Handle(LinkId link, const MovedIn& message, Context* context);

  void Handle(LinkId link, const RegisterWorker& message, Context* context);
  void Handle(LinkId link, const LeaseRequest& message, Context* context);
  void Handle(LinkId link, const Progress& message, Context* context);
  void Handle(LinkId link, const ItemEnd& message, Context* context);
  void Handle(LinkId link, const PlacementRequest& message, Context* context);
  void Handle(LinkId link, const EvaluationResult& message, Context* context);
  void Handle(LinkId link, const WorkerGoodbye& message, Context* context);

  Context MakeContext(absl::Time now, SchedulerActions* out) {
    return {now, &cluster_, &numbers_, out};
  }
  template <typename Change>
  absl::Status ChangeJob(JobId id, absl::Time now, SchedulerActions* out,
                         Change change);
  void NoteTime(absl::Time now);
  ServerInfo* ServerOf(LinkId link);
  WorkerInfo* WorkerOf(LinkId link);
  TrainingJob* Find(JobId job);
  void MaybeStart(Context* context);

  // --- Which process is which server: scheduler_core_admission.cc ------------
  // Whether the process may be this server; tells the one that may not.
  bool MayRegister(LinkId link, const RegisterServer& message,
                   Context* context);
  bool MayReplace(LinkId link, const RegisterServer& message,
                  ServerInfo* server, Context* context);
  void Refuse(LinkId link, const RegisterServer& message, ServerInfo* server,
              absl::string_view log, std::string reason, Context* context);
  bool HasItsFolder(LinkId link, const RegisterServer& message,
                    Context* context);
  bool LacksWhatItsIdHad(const RegisterServer& message,
                         const ServerInfo& known) const;

  // --- What servers say: scheduler_core_servers.cc ---------------------------
  bool MayBelieve(const JobRegistration& registration, ServerId server,
                  Context* context) const;
  void LetForget(const ServerInfo& server, const JobRegistration& registration,
                 Context* context) const;
  void TellForget(const ServerInfo& server, JobId job, bool versions,
                  Context* context) const;
  void AdoptJob(const JobRegistration& registration, Context* context);
  // The server says what it found damaged in its store; news are logged.
  static void FoundDamage(const StoreDamage& damage, ServerInfo* server,
                          Context* context);
  void LoseServer(ServerInfo* server, Context* context);
  // Tells servers that are leaving when nothing more is taken from them.
  void SettleLeaving(Context* context);
  bool OwnsAnything(ServerId server) const;
  void TakeInNamed(Context* context);
  void ForgetServer(ServerId server, Context* context);
  void ForgetGone(Context* context);

  // --- What workers say: scheduler_core_workers.cc ---------------------------
  void WarnOfNamesake(const RegisterWorker& message, Context* context) const;
  void SettleClaims(WorkerInfo* worker, Context* context);
  void LoseWorker(SessionId session, Context* context);

  // --- Reaching servers: scheduler_core_reach.cc -----------------------------
  void HearUnreached(const PlacementRequest& message, WorkerInfo* worker,
                     absl::Time now);
  // The server of the job that keeps the worker from it; null: there is none.
  const UnreachedServer* CutOffBy(const WorkerInfo& worker,
                                  const TrainingJob& job) const;
  // Workers that do not reach a server which others may reach lose their leases
  // of its jobs, and get none until they reach it.
  void SettleUnreached(Context* context);

  // --- Sharing workers: scheduler_core_sharing.cc ----------------------------
  // A worker that shows what it does for a job, and belongs to none.
  void MaybeKeep(WorkerInfo* worker, JobId job);
  // It may be able to do more or less than before.
  void LookAt(WorkerInfo* worker);
  void ForgetWorker(SessionId worker);
  Allotment::JobClaim ClaimOf(const TrainingJob& job);
  // Workers go where they are wanted most.
  void ShareWorkers(Context* context);
  bool HoldsItems(SessionId worker) const;
  void OfferEvaluations(Context* context);
  void OfferWork(Context* context);

  // After every event: offers work, and puts whatever must be durable before
  // the event's other actions in front of them.
  void Finish(Context* context, size_t first_action);

  const SchedulerOptions options_;
  NumberSource numbers_;
  uint64_t stored_number_ = 0;
  Cluster cluster_;
  std::map<LinkId, ServerId> server_links_;
  std::map<LinkId, SessionId> worker_links_;
  Allotment allotment_{&cluster_};
  // Workers that want items, by the job that they belong to; of 0: to none.
  std::map<JobId, std::set<SessionId>> waiting_;
  std::set<SessionId> unreaching_;  // Workers with any WorkerInfo::unreached.
  std::map<JobId, std::unique_ptr<TrainingJob>> jobs_;
  // Jobs that were forgotten, the latest; true: with their versions.
  std::map<JobId, bool> forgotten_;
  std::vector<StoreWrite> pending_writes_;

  bool gathering_ = true;
  // Jobs that were heard of later, and when they start at the latest.
  std::map<JobId, absl::Time> late_;
  absl::Time started_;
  absl::Time last_event_ = absl::InfinitePast();
  absl::Time gather_until_;
  // Servers that left in good order or were given up, and have not come back.
  std::set<ServerId> former_;
  // Former servers that were named since this scheduler's start.
  std::set<ServerId> named_;
  // When a server was last heard of a job that is not in the store.
  absl::Time adopted_at_ = absl::InfinitePast();
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_CORE_H_

// The scheduler's decisions: who is alive, who owns which partition under
// which term, who works on which item, which jobs run.
//
// Messages and time in, actions out; no thread, socket, clock or disk inside.
// The daemon (scheduler_shell.h) and the simulator run the same class.
//
// A scheduler always starts the same way, whatever its store holds: it grants
// nothing until every server named in the store or by a server has reported,
// or SchedulerOptions::takeover_after has passed; then every partition gets a
// new term. Training goes on meanwhile, and the servers' marks, which are the
// truth, say what it missed (docs/protocol.md, "The scheduler starts").
//
// Its parts deal with one subject each, and share the state
// (scheduler_state.h): which jobs there are (known_jobs.h; one job:
// training_job.h), servers (server_sessions.h, server_admission.h), workers
// (worker_sessions.h, worker_reach.h), who works for whom (worker_shares.h),
// and what operators order (operator_orders.h). A part is given those that it
// uses when it is made. Here is when the scheduler starts, and how an event
// ends.
//
// Thread-compatible: the shell holds one lock around it.
#ifndef EBB_SCHEDULER_SCHEDULER_CORE_H_
#define EBB_SCHEDULER_SCHEDULER_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/allotment.h"
#include "scheduler/cluster.h"
#include "scheduler/job/rollbacks.h"
#include "scheduler/job/training_job.h"
#include "scheduler/known_jobs.h"
#include "scheduler/operator_orders.h"
#include "scheduler/options.h"
#include "scheduler/scheduler_state.h"
#include "scheduler/server_admission.h"
#include "scheduler/server_sessions.h"
#include "scheduler/worker_reach.h"
#include "scheduler/worker_sessions.h"
#include "scheduler/worker_shares.h"

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
  void OnServerDisconnected(LinkId link, absl::Time now,
                            SchedulerActions* out) {
    servers_.OnDisconnected(link, now, out);
  }
  void OnWorkerDisconnected(LinkId link, absl::Time now,
                            SchedulerActions* out) {
    workers_.OnDisconnected(link, now, out);
  }

  // --- Operators -------------------------------------------------------------
  // Draws an id and begins the job. InvalidArgument when its plan is none;
  // `record.id` is ignored.
  absl::StatusOr<JobId> Submit(JobRecord record, absl::Time now,
                               SchedulerActions* out) {
    return orders_.Submit(std::move(record), now, out);
  }
  // NotFound when there is no such job.
  absl::Status Checkpoint(JobId job, absl::Time now, SchedulerActions* out) {
    return orders_.Checkpoint(job, now, out);
  }
  absl::Status Cancel(JobId job, absl::Time now, SchedulerActions* out) {
    return orders_.Cancel(job, now, out);
  }
  // Nobody lists the job any more, and servers let go of it; with what they
  // stored of it if `versions`. FailedPrecondition: it is not over.
  // Unavailable: this scheduler has yet to hear of the servers.
  absl::Status Forget(JobId job, bool versions, absl::Time now,
                      SchedulerActions* out) {
    return orders_.Forget(job, versions, now, out);
  }
  // Takes the workers of the job away until EndPause.
  // FailedPrecondition: it is over.
  absl::Status Pause(JobId job, absl::Time now, SchedulerActions* out) {
    return orders_.Pause(job, now, out);
  }
  absl::Status EndPause(JobId job, absl::Time now, SchedulerActions* out) {
    return orders_.EndPause(job, now, out);
  }
  // How many workers and servers it has at most from now on; nullopt: as many
  // as before. See TrainingJob.
  using Scale = OperatorOrders::Scale;
  absl::Status ScaleJob(JobId job, const Scale& scale, absl::Time now,
                        SchedulerActions* out) {
    return orders_.ScaleJob(job, scale, now, out);
  }
  absl::Status Rollback(JobId job, const RollbackOrder& order, absl::Time now,
                        SchedulerActions* out) {
    return orders_.Rollback(job, order, now, out);
  }
  // A job on data that grows ends there; see Rollbacks::Finish. Nothing: after
  // all that is known to be there.
  absl::Status FinishJob(JobId job, std::optional<int64_t> examples,
                         absl::Time now, SchedulerActions* out) {
    return orders_.Finish(job, examples, now, out);
  }
  // Decides about every quarantined item, and ends an operator's pause.
  // FailedPrecondition: the job is not paused.
  absl::Status Resume(JobId job, bool skip_quarantined, absl::Time now,
                      SchedulerActions* out) {
    return orders_.Resume(job, skip_quarantined, now, out);
  }
  // About one; trying again an item that is open is done already. To skip:
  // NotFound: it is not quarantined. FailedPrecondition: no batch of it failed.
  absl::Status Resolve(JobId job, ItemId item, bool skip, absl::Time now,
                       SchedulerActions* out) {
    return orders_.Resolve(job, item, skip, now, out);
  }

  // Call at NextTick() or later.
  void OnTick(absl::Time now, SchedulerActions* out);
  absl::Time NextTick() const;

  // --- What it is ------------------------------------------------------------
  bool gathering() const { return state_.gathering; }
  const std::map<JobId, std::unique_ptr<TrainingJob>>& jobs() const {
    return state_.jobs;
  }
  const Cluster& cluster() const { return state_.cluster; }
  const SchedulerOptions& options() const { return state_.options; }
  const Allotment& allotment() const { return shares_.allotment(); }

 private:
  SchedulerCore(SchedulerOptions options, absl::Time now);

  // One record of `stored`.
  absl::Status Load(const std::string& key, const std::string& value,
                    const std::map<std::string, std::string>& stored);
  void MaybeStart(Context* context);
  // After every event: offers work, and puts whatever must be durable before
  // the event's other actions in front of them.
  void Finish(Context* context, size_t first_action);
  // The same, for parts in which an event begins.
  FinishEvent Finisher();

  SchedulerState state_;
  const absl::Time gather_until_;
  uint64_t stored_number_ = 0;
  KnownJobs jobs_;
  ServerAdmission admission_;
  WorkerShares shares_;
  WorkerReach reach_;
  ServerSessions servers_;
  WorkerSessions workers_;
  OperatorOrders orders_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_CORE_H_

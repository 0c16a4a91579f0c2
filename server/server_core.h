// The parameter server's decisions: which grants to take, how to judge pushes
// and pulls, when to write a version, and what to report to the scheduler.
//
// Messages and time go in, actions come out; it has no thread, socket, clock or
// disk. The daemon (server_shell.h) and the simulator run the same class.
//
//   ServerCore core(options, inventory);
//   ServerActions actions;
//   core.OnSchedulerConnected(now, &actions);   // -> SendScheduler{Register…}
//   for (ServerAction& action : actions) …      // in their order
//
// Thread-compatible: the shell holds one lock around it. UpdateTasks run
// outside that lock.
#ifndef EBB_SERVER_SERVER_CORE_H_
#define EBB_SERVER_SERVER_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/actions.h"
#include "server/hosted_job.h"
#include "server/options.h"
#include "server/store/checkpoint_store.h"
#include "server/write_pace.h"

namespace ebb::server {

class ServerCore {
 public:
  ServerCore(ServerOptions options, const Inventory& inventory);

  // The session with the scheduler. After a connection broke, nothing sent
  // before counts: connecting registers everything anew.
  void OnSchedulerConnected(absl::Time now, ServerActions* out);
  void OnSchedulerDisconnected();
  void OnScheduler(const SchedulerToServer& message, absl::Time now,
                   ServerActions* out);

  // The tokens come back in ReplyPush and ReplyPull, exactly once each.
  void OnPush(uint64_t token, PushRequest push, absl::Time now,
              ServerActions* out);
  // `room`: ResourceExhausted if the shell has no memory for the push, with a
  // reason for people. The core then answers busy.
  void OnPush(uint64_t token, PushRequest push, const absl::Status& room,
              absl::Time now, ServerActions* out);
  void OnPull(uint64_t token, PullRequest pull, absl::Time now,
              ServerActions* out);
  void OnClock(const ClockUpdate& clock, absl::Time now, ServerActions* out);

  // From another server; likewise a token, for ReplyFetch.
  void OnFetch(uint64_t token, FetchRequest request, absl::Time now,
               ServerActions* out);
  // The result of a Fetch.
  void OnFetched(const FetchRequest& request, absl::StatusOr<Fetched> fetched,
                 absl::Time now, ServerActions* out);

  void OnUpdateDone(UpdateTask task, absl::Time now, ServerActions* out) {
    OnUpdatesDone({&task, 1}, now, out);
  }
  // Takes the tasks out of the span.
  void OnUpdatesDone(std::span<UpdateTask> tasks, absl::Time now,
                     ServerActions* out);
  // `bytes`: of the values that were new in it.
  void OnVersionWritten(const VersionKey& key, const absl::Status& status,
                        int64_t bytes, absl::Time now, ServerActions* out);
  void OnLoaded(const VersionKey& key, absl::StatusOr<Cut> cut, absl::Time now,
                ServerActions* out);
  // The result of a FetchInitialValues.
  void OnInitialValues(JobId job, PartitionId partition, Term term,
                       absl::StatusOr<InitialPartition> values, absl::Time now,
                       ServerActions* out);
  // All losses that the store has found so far. The next message tells the
  // scheduler.
  void OnStoreDamage(StoreDamage damage) { damage_ = std::move(damage); }
  // With the versions that jobs could not go on from.
  StoreDamage store_damage() const;

  // See HostedJob; of a job that is not here: none.
  std::vector<RoundVersion> KeepVersions(JobId job, absl::Time until);
  void OnListed(JobId job, PartitionId partition,
                absl::StatusOr<PartitionInventory> inventory, absl::Time now,
                ServerActions* out);

  // Call at NextTick() or later.
  void OnTick(absl::Time now, ServerActions* out);
  absl::Time NextTick() const;

  // Says that it is leaving: its partitions go to other servers while it serves
  // the rest. HandedOver() becomes true when nothing more is taken from it, or
  // the scheduler cannot be asked.
  void Leave(absl::Time now, ServerActions* out);
  bool HandedOver() const;
  // Writes everything that is not durable yet; then says goodbye. Drained()
  // becomes true when both are done (or nothing can be written).
  void Drain(absl::Time now, ServerActions* out);
  bool Drained() const { return said_goodbye_; }

  // For inspection: status, audit, the simulator's invariants.
  const std::map<JobId, HostedJob>& jobs() const { return jobs_; }

 private:
  void Handle(const Grant& grant, absl::Time now, ServerActions* out);
  void Handle(const ViewUpdate& view, absl::Time now, ServerActions* out);
  void Handle(const RoundStatus& rounds, absl::Time now, ServerActions* out);
  void Handle(const CheckpointNow& request, absl::Time now, ServerActions* out);
  void Handle(const TakeSnapshot& request, absl::Time now, ServerActions* out);
  void Handle(const DropSnapshot& request, absl::Time now, ServerActions* out);
  void Handle(const JobCompleted& completed, absl::Time now,
              ServerActions* out);
  void Handle(const ForgetJob& forget, absl::Time now, ServerActions* out);
  void Handle(const RefuseServer& refusal, absl::Time now, ServerActions* out);
  void Handle(const MoveIn& order, absl::Time now, ServerActions* out);
  void Handle(const PartitionMoved& moved, absl::Time now, ServerActions* out);
  void Handle(const LeaveNow& leave, absl::Time now, ServerActions* out);
  void Handle(const ApplyOperation& message, absl::Time now,
              ServerActions* out);
  // Makes it if the job was not known here.
  HostedJob* Host(const JobRecordPtr& record, Generation generation,
                  const RollbackRecord& rollback,
                  const std::vector<ServerId>& known_servers,
                  ServerActions* out);

  HostedJob* Find(JobId job);
  ServerStatistics StatisticsOf(HostedJob* job) const;
  void StartWrite(absl::Time now, ServerActions* out);
  // After every event: the next write, reports that cannot wait.
  void Advance(absl::Time now, ServerActions* out);
  void Report(ServerActions* out);
  void Report(HostedJob* job, ServerActions* out);

  const ServerOptions options_;
  std::map<JobId, HostedJob> jobs_;
  bool connected_ = false;
  bool leaving_ = false;
  bool may_leave_ = false;  // The scheduler said LeaveNow.
  bool draining_ = false;
  bool said_goodbye_ = false;
  std::string refused_;  // Why, as last logged.
  absl::Time say_refused_again_ = absl::InfinitePast();
  absl::Time next_report_ = absl::InfinitePast();
  absl::Time next_statistics_ = absl::InfinitePast();
  const std::string store_;  // Its name.
  WritePace pace_;
  bool write_waits_ = false;  // For its turn by that pace.
  StoreDamage damage_;        // The store reported it.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_SERVER_CORE_H_

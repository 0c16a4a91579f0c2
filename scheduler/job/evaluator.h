// The evaluations of one job, one after the other. A snapshot is pinned on
// every partition; then one worker computes it, and if that is slow, another
// does so, too. If a server or all of these workers fail, the evaluation begins
// again with another snapshot. If the job only waits for it, and no worker that
// is connected evaluates, it ends with an error after a while.
//
//   due ──> pinning ──(all partitions)──> wants a worker ──> computing ──> done
//             ^                                                  |
//             +── a server or all workers were lost, time-out ───+
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_EVALUATOR_H_
#define EBB_SCHEDULER_JOB_EVALUATOR_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_state.h"
#include "scheduler/placement.h"

namespace ebb::scheduler {

class Evaluator {
 public:
  // All arguments outlive it. It reads the generation and the evaluations in
  // `state`; the caller adds the evaluations that it is handed.
  Evaluator(const SchedulerOptions& options, const JobRecord& record,
            const JobState& state, const PlacementTable& placement)
      : options_(options),
        record_(record),
        state_(state),
        placement_(placement) {}

  bool underway() const { return running_.has_value(); }
  // The worker that evaluates; 0: none yet.
  SessionId worker() const { return running_ ? running_->worker : SessionId(); }
  // The second worker that does so; 0: none.
  SessionId second() const { return running_ ? running_->second : SessionId(); }
  // No evaluation is under way, and none is to come.
  bool AllDone() const;
  // The next epoch after which the model is evaluated; plan().epochs: none.
  int32_t NextEpoch() const;

  // Earlier evaluations are lost with the scheduler's store. All that are due
  // would have the values of now, so only the newest is made.
  void Lost(int32_t epochs_full);
  // Begins the next, if `epochs_full` says that it is due and none is under
  // way.
  void Start(int32_t epochs_full, Context* context);
  // Its snapshot is of values that are no more.
  void Abandon() { running_.reset(); }
  // The snapshot may have died with a server, and no worker is to blame.
  void ServersBack(Context* context);

  void SnapshotTaken(const ServerInfo& server, const SnapshotReply& reply);
  // Returns whether the snapshot is there, and no worker computes it.
  bool WantsWorker() const;
  EvaluationLease Lease(const JobRecordPtr& record, SessionId worker,
                        absl::Time now);
  // To one more, once, while one computes it: the first result counts.
  bool MayLeaseAgain() const {
    return worker() != SessionId() && !running_->leased_again;
  }
  EvaluationLease LeaseAgain(const JobRecordPtr& record, SessionId worker);

  // Returns the evaluation that ended, perhaps with an error; nullopt: none
  // did.
  std::optional<Evaluation> Evaluated(const EvaluationResult& result,
                                      Context* context);
  std::optional<Evaluation> WorkerLost(SessionId worker, Context* context);
  // `vain`: the job waits for evaluations alone, and none of its workers
  // evaluates. If that was so at the last time-out, too, all that are left end
  // as one, with an error.
  std::optional<Evaluation> Tick(bool vain, Context* context);
  absl::Time NextTick() const;

 private:
  struct Running {
    int32_t epoch = 0;
    int64_t snapshot = 0;
    std::set<PartitionId> pinned;
    int64_t position = 0;
    SessionId worker;           // 0: none yet.
    SessionId second;           // 0: none.
    bool leased_again = false;  // To a second, be it gone.
    absl::Time deadline;
    int failures = 0;   // Errors, and attempts that took too long.
    std::string error;  // The last one that a worker told.
    int deaths = 0;     // So often a worker died that evaluated.
    bool vain = false;  // Tick was told so at the last time-out.
  };

  int32_t NextAfter(int32_t epoch) const;
  // One of two ended otherwise: the other goes on. False: it was the only one.
  bool OtherGoesOn(SessionId ended);
  // Begins with another snapshot.
  void Begin(Context* context);
  // After an attempt that came to nothing, one of `count`. Begins anew; or, if
  // these are `most`, ends with an error.
  std::optional<Evaluation> BeginAfter(int* count, int most, Context* context);
  Evaluation End(Evaluation evaluation, Context* context);

  const SchedulerOptions& options_;
  const JobRecord& record_;
  const JobState& state_;
  const PlacementTable& placement_;
  std::optional<Running> running_;
  int32_t lost_ = -1;  // The last epoch that is not made up for.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_EVALUATOR_H_

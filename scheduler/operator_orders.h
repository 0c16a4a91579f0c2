// The orders of operators about jobs. Each order is an event of its own; one
// that cannot be carried out changes nothing.
//
// Decision logic only. Thread-compatible. Belongs to a SchedulerCore.
#ifndef EBB_SCHEDULER_OPERATOR_ORDERS_H_
#define EBB_SCHEDULER_OPERATOR_ORDERS_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/cluster.h"
#include "scheduler/job/rollbacks.h"
#include "scheduler/job/training_job.h"
#include "scheduler/known_jobs.h"
#include "scheduler/scheduler_state.h"
#include "scheduler/worker_shares.h"

namespace ebb::scheduler {

class OperatorOrders {
 public:
  // The arguments are not owned, and outlive it.
  OperatorOrders(SchedulerState* state, KnownJobs* jobs, WorkerShares* shares,
                 FinishEvent finish)
      : state_(*state),
        jobs_(*jobs),
        shares_(*shares),
        finish_(std::move(finish)) {}

  // See SchedulerCore.
  absl::StatusOr<JobId> Submit(JobRecord record, absl::Time now,
                               SchedulerActions* out);
  absl::Status Checkpoint(JobId job, absl::Time now, SchedulerActions* out);
  absl::Status Cancel(JobId job, absl::Time now, SchedulerActions* out);
  absl::Status Forget(JobId job, bool versions, absl::Time now,
                      SchedulerActions* out);
  absl::Status Pause(JobId job, absl::Time now, SchedulerActions* out);
  absl::Status EndPause(JobId job, absl::Time now, SchedulerActions* out);
  // How many workers and servers it has at most from now on; nullopt: as many
  // as before.
  struct Scale {
    std::optional<int32_t> workers;
    std::optional<int32_t> servers;
  };
  absl::Status ScaleJob(JobId job, const Scale& scale, absl::Time now,
                        SchedulerActions* out);
  absl::Status Rollback(JobId job, const RollbackOrder& order, absl::Time now,
                        SchedulerActions* out);
  // A job on data that grows ends after so many examples, or after as many as a
  // partition has; nullopt: after all that are known to be there.
  absl::Status Finish(JobId job, std::optional<int64_t> examples,
                      absl::Time now, SchedulerActions* out);
  absl::Status Resume(JobId job, bool skip_quarantined, absl::Time now,
                      SchedulerActions* out);
  absl::Status Resolve(JobId job, ItemId item, bool skip, absl::Time now,
                       SchedulerActions* out);

 private:
  // One change of one job. NotFound when there is no such job.
  using Change =
      absl::FunctionRef<absl::Status(TrainingJob* job, Context* context)>;
  absl::Status ChangeJob(JobId id, absl::Time now, SchedulerActions* out,
                         Change change);

  SchedulerState& state_;
  KnownJobs& jobs_;
  WorkerShares& shares_;
  const FinishEvent finish_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_OPERATOR_ORDERS_H_

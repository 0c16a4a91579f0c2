// Workers that do not reach a server.
//
// Decision logic only. Thread-compatible. Belongs to a SchedulerCore.
#ifndef EBB_SCHEDULER_WORKER_REACH_H_
#define EBB_SCHEDULER_WORKER_REACH_H_

#include <set>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/training_job.h"
#include "scheduler/scheduler_state.h"
#include "scheduler/worker_shares.h"

namespace ebb::scheduler {

class WorkerReach {
 public:
  // The arguments are not owned, and outlive it.
  WorkerReach(SchedulerState* state, WorkerShares* shares)
      : state_(*state), shares_(*shares) {}

  // The worker says which servers of a job it does not reach.
  void Hear(const PlacementRequest& message, const WorkerInfo& worker,
            absl::Time now);
  // Workers that do not reach a server which others may reach lose their leases
  // of its jobs, and get none until they reach it.
  void Settle(Context* context);

 private:
  // The server of the job that keeps the worker from it; null: there is none.
  const UnreachedServer* CutOffBy(const WorkerInfo& worker,
                                  const TrainingJob& job) const;
  void SettleWorker(const WorkerInfo& worker, Context* context);

  SchedulerState& state_;
  WorkerShares& shares_;
  std::set<SessionId> unreaching_;  // Workers with any WorkerInfo::unreached.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_WORKER_REACH_H_

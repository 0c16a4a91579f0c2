// The state that all parts of the scheduler's core share: who is there, which
// jobs there are, and what must be stored before the actions of an event. It
// answers the questions that all parts ask; see scheduler_core.h.
#ifndef EBB_SCHEDULER_SCHEDULER_STATE_H_
#define EBB_SCHEDULER_SCHEDULER_STATE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/actions.h"
#include "scheduler/cluster.h"
#include "scheduler/job/training_job.h"
#include "scheduler/options.h"

namespace ebb::scheduler {

// Thread-compatible.
struct SchedulerState {
  SchedulerState(SchedulerOptions options, absl::Time now);
  SchedulerState(const SchedulerState&) = delete;  // Jobs refer to the options.
  SchedulerState& operator=(const SchedulerState&) = delete;

  Context MakeContext(absl::Time now, SchedulerActions* out) {
    return {now, &cluster, &numbers, out, [this] { return Partitions(); }};
  }
  // Null: there is no such job.
  TrainingJob* Find(JobId job) const;
  // Counts those of all jobs that are not cancelled.
  PartitionCounts Partitions() const;
  // Returns whether the server owns a partition of a job that is not cancelled.
  bool OwnsAnything(ServerId server) const;

  const SchedulerOptions options;
  const absl::Time started;
  NumberSource numbers;
  Cluster cluster;
  std::map<JobId, std::unique_ptr<TrainingJob>> jobs;
  // Not all servers that anybody knows have reported yet: nothing is granted.
  bool gathering = true;
  std::vector<StoreWrite> pending_writes;
};

// Ends an event, or what within one is like an event of its own: offers work,
// and puts what must be durable in front of the actions from `first_action` on.
using FinishEvent = std::function<void(Context* context, size_t first_action)>;

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_STATE_H_

// How many workers one job wants, and how many it takes at most.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_WORKER_DEMAND_H_
#define EBB_SCHEDULER_JOB_WORKER_DEMAND_H_

#include <cstdint>

#include "absl/status/status.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/share_out.h"

namespace ebb::scheduler {

class WorkerDemand {
 public:
  // `job` is not owned, and outlives it.
  explicit WorkerDemand(JobTables* job) : job_(*job) {}

  // Returns its claim to the cluster's workers, of which `able` could work on
  // it and it has `has`; see share_out.h. `limit`: more it may not have.
  WorkerClaim Claim(int64_t able, int64_t has, int64_t* limit) const;
  // How many workers could be of use now.
  int64_t OpenWork() const;
  // How many workers it takes at most; 0: no limit.
  int32_t max_workers() const;
  // An operator changes that, from now on; 0: no limit. InvalidArgument: less
  // than its minimum. FailedPrecondition: the job is over.
  absl::Status Scale(int32_t workers, Context* context);

  // An item is leased.
  void Begin() { begun_ = true; }
  // It was trained on already: it needs its minimum of workers no more.
  bool HasBegun() const;

  // Says so if there are more workers than it takes.
  void WarnOfTooMany(Context* context) const;
  // One more worker is there.
  void WorkerArrived(Context* context) const;

 private:
  JobTables& job_;
  bool begun_ = false;  // An item was leased.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_WORKER_DEMAND_H_

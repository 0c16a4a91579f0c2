// The pauses of one job that an operator ends: those that an operator ordered,
// and the one that it made itself because its training diverged. Quarantined
// items pause it, too (poison.h), and a job goes on when no reason is left.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_JOB_PAUSES_H_
#define EBB_SCHEDULER_JOB_JOB_PAUSES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/partition_owners.h"

namespace ebb::scheduler {

class JobPauses {
 public:
  // The arguments are not owned, and outlive it.
  JobPauses(JobTables* job, PartitionOwners* owners)
      : job_(*job), owners_(*owners) {}

  // FailedPrecondition: the job is over.
  absl::Status Pause(Context* context);
  // True: the job goes on; the caller looks what its marks lead to.
  absl::StatusOr<bool> End(Context* context);
  // The job diverged, and pauses itself; `why` is for people.
  void PauseForDivergence(const std::string& why, Context* context);
  // It did so; also of a scheduler that began since.
  bool PausedForDivergence() const;

  // One reason to pause is gone. True: it was the last, and the job goes on;
  // the caller looks what its marks lead to.
  bool MayGoOn();

 private:
  JobTables& job_;
  PartitionOwners& owners_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_JOB_PAUSES_H_

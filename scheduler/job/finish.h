// The end of a job that has none yet: it is decided once what is applied cannot
// change any more and is stored, so that nothing is beyond it and nothing goes
// back.
//
//   ordered ──> no leases, new terms ──(all registered)──> all is stored ──>
//   the end is decided: a generation of the job with an end
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_FINISH_H_
#define EBB_SCHEDULER_JOB_FINISH_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "scheduler/job/granter.h"
#include "scheduler/job/job_rounds.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/lease_keeper.h"
#include "scheduler/job/partition_owners.h"
#include "scheduler/job/rollbacks.h"

namespace ebb::scheduler {

class Finish {
 public:
  // The arguments are not owned, and outlive it.
  Finish(JobTables* job, PartitionOwners* owners, LeaseKeeper* keeper,
         JobRounds* rounds, Granter* granter, Rollbacks* rollbacks)
      : job_(*job),
        owners_(*owners),
        keeper_(*keeper),
        rounds_(*rounds),
        granter_(*granter),
        rollbacks_(*rollbacks) {}

  // The job is to end after so many examples, or after as many as a partition
  // has. `why` tells it. FailedPrecondition: it has an end, or is over, or
  // there are not as many, or none.
  absl::Status Order(int64_t examples, absl::string_view why, Context* context);
  // All partitions are registered: decides the end, if it can be. True: it did.
  bool Settle(Context* context);
  // What was asked of servers may be lost.
  void AskAgain() { asked_ = false; }

 private:
  // All that is applied is stored, as far as servers said.
  bool AllStored() const;

  JobTables& job_;
  PartitionOwners& owners_;
  LeaseKeeper& keeper_;
  JobRounds& rounds_;
  Granter& granter_;
  Rollbacks& rollbacks_;
  bool asked_ = false;  // A checkpoint, of all servers.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_FINISH_H_

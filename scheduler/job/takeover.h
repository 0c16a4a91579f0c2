// Takes the partitions of one job over from servers that are away for too long,
// where others have the copies in a shared folder (docs/decisions/0006).
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_TAKEOVER_H_
#define EBB_SCHEDULER_JOB_TAKEOVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/cluster.h"
#include "scheduler/job/granter.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/partition_owners.h"

namespace ebb::scheduler {

class Takeover {
 public:
  // The arguments are not owned, and outlive it.
  Takeover(const JobTables* job, PartitionOwners* owners, Granter* granter)
      : job_(*job), owners_(*owners), granter_(*granter) {}

  // A server came or went, or it is time: takes over what can be.
  void TakeOver(Context* context);
  absl::Time NextTick() const { return next_tick_; }

  // Partitions that were taken over, in the scheduler's life.
  int64_t taken_over() const { return taken_over_; }

 private:
  // The partitions are of one server, and their newest durable versions are in
  // one folder.
  void TakeOverFrom(ServerId from, const std::string& folder,
                    const std::vector<PartitionId>& partitions,
                    Context* context);

  const JobTables& job_;
  PartitionOwners& owners_;
  Granter& granter_;
  absl::Time next_tick_ = absl::InfiniteFuture();
  int64_t taken_over_ = 0;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_TAKEOVER_H_

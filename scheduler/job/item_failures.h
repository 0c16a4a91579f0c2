// Leases of one job that ended badly: whether a batch is to blame (stalls.h,
// poison.h) or the worker, and what follows: the job pauses, rolls back, or
// skips the batch.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_ITEM_FAILURES_H_
#define EBB_SCHEDULER_JOB_ITEM_FAILURES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/granter.h"
#include "scheduler/job/job_pauses.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/lease_keeper.h"
#include "scheduler/job/poison.h"
#include "scheduler/job/rollbacks.h"
#include "scheduler/job/stalls.h"

namespace ebb::scheduler {

class ItemFailures {
 public:
  // The arguments are not owned, and outlive it.
  ItemFailures(JobTables* job, LeaseKeeper* keeper, Granter* granter,
               JobPauses* pauses, Rollbacks* rollbacks);

  const Poison& poison() const { return poison_; }

  // --- How a lease ended -----------------------------------------------------
  void Succeeded(int64_t ordinal);
  // With an error, as the worker says.
  void Failed(const WorkerInfo& worker, const ItemEnd& end, Context* context);
  // The worker said nothing while its lease ran out; or it died. `batch`: where
  // the batch in work begins, if it was under a careful lease. In a job of runs
  // only that counts: else the item's next lease is careful. In others the
  // batch follows from the marks.
  void RanOut(int64_t ordinal, std::optional<int64_t> batch,
              const WorkerInfo& worker, Context* context);
  void Died(int64_t ordinal, std::optional<int64_t> batch,
            const WorkerInfo& worker, Context* context);

  // --- What becomes of the job -----------------------------------------------
  // When only those are left that could not begin, somebody must look.
  void PauseIfNobodyCan(Context* context);
  // A worker is there that may be able to begin what those before it could not.
  // True: the job goes on; the caller looks what its marks lead to.
  bool WorkerArrived(const WorkerInfo& worker, Context* context);
  // An operator decides about a quarantined item. A skip is settled when the
  // servers have said that none has the batch; if one has, or no batch failed,
  // it is tried again. True: the job goes on, as above.
  bool Resolve(int64_t ordinal, bool skip, Context* context);
  // All partitions are registered. True: the job goes on, as above.
  bool SettleSkips(Context* context);
  // Skips that a server has in its values; returns those that were not known.
  std::vector<SkippedRange> Adopt(const std::vector<SkippedRange>& ranges,
                                  Context* context);

  void BeginGeneration();

 private:
  void CouldNotBegin(const WorkerInfo& worker, const ItemEnd& end,
                     Context* context);
  void LeaseFailed(Poison::Failure failure, Context* context);
  void FenceSkip(int64_t ordinal, Context* context);
  // Returns where the batch begins that a worker was at which says no more.
  // Nullopt: it is unknown, and the next lease is careful.
  std::optional<int64_t> BatchInWork(int64_t ordinal,
                                     std::optional<int64_t> batch);

  JobTables& job_;
  LeaseKeeper& keeper_;
  Granter& granter_;
  JobPauses& pauses_;
  Rollbacks& rollbacks_;
  Poison poison_;
  Stalls stalls_;
  std::string could_not_begin_;  // Who, and why: the last.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_ITEM_FAILURES_H_

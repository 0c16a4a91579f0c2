// Follows the leases that workers of one job hold: they are renewed, taken up
// again after a restart, ended by their worker, or they run out.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_HELD_LEASES_H_
#define EBB_SCHEDULER_JOB_HELD_LEASES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/backups.h"
#include "scheduler/job/item_failures.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/lease_keeper.h"
#include "scheduler/job/view_keeper.h"

namespace ebb::scheduler {

class HeldLeases {
 public:
  // The arguments are not owned, and outlive it.
  HeldLeases(JobTables* job, ViewKeeper* view, Backups* backups,
             LeaseKeeper* keeper, ItemFailures* failures)
      : job_(*job),
        view_(*view),
        backups_(*backups),
        keeper_(*keeper),
        failures_(*failures) {}

  // --- What workers say ------------------------------------------------------
  // The worker may go on with what it holds if nobody else has it. `clock`:
  // where it joins the view, unless it is in it; -1: it does not.
  void Adopt(const WorkerInfo& worker, const HeldItem& held, int64_t clock,
             Context* context);
  void Renewed(const WorkerInfo& worker, const Progress& progress,
               Context* context);
  void ItemEnded(const WorkerInfo& worker, const ItemEnd& end,
                 Context* context);

  // --- What happens to them --------------------------------------------------
  // Leases of a worker that registers anew and does not name them.
  void ReleaseUnclaimed(const WorkerInfo& worker, Context* context);
  void WorkerLost(const WorkerInfo& worker, Context* context);
  // Returns the workers that said nothing while theirs ran out.
  std::vector<SessionId> RunOut(Context* context);

  // Workers whose lease of an item that they worked on ran out, in the
  // scheduler's life.
  int64_t silent_workers() const { return silent_workers_; }
  // Computed, by the worker's name, in the scheduler's life.
  const std::map<std::string, int64_t>& examples_by_worker() const {
    return examples_by_worker_;
  }

 private:
  // A worker works on the item that it named with its last question (a careful
  // lease), else on the lowest that it holds.
  struct InWork {
    int64_t ordinal = 0;
    std::optional<int64_t> batch;  // Empty: it named none.
  };
  // It holds an item.
  InWork WorkOf(SessionId worker) const;
  // Counts for this job what the worker computed since it last said so.
  void Computed(const WorkerInfo& worker, int64_t examples, Context* context);
  // One of the two that had it has done it all, as it says.
  void EndBackup(int64_t ordinal, const WorkerInfo& first, Context* context);

  JobTables& job_;
  ViewKeeper& view_;
  Backups& backups_;
  LeaseKeeper& keeper_;
  ItemFailures& failures_;
  int64_t silent_workers_ = 0;
  std::map<std::string, int64_t> examples_by_worker_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_HELD_LEASES_H_

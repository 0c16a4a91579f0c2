// The scheduler's picture of a job's marks: those that servers registered and
// reported, per partition, in the partition's current term.
//
// The servers' marks are the truth. This picture may lag, and every
// registration replaces it, so any item can reopen.
//
// Thread-compatible. The plan outlives the table.
#ifndef EBB_SCHEDULER_JOB_MARK_TABLE_H_
#define EBB_SCHEDULER_JOB_MARK_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "protocol/marks.h"
#include "protocol/plan.h"

namespace ebb::scheduler {

class MarkTable {
 public:
  explicit MarkTable(const JobPlan& plan);

  // Replaces the belief of one partition. `changed` is called with the ordinal
  // of each item that became full everywhere, or no longer is.
  using Changed = std::function<void(int64_t ordinal)>;
  void Replace(PartitionId partition, MarkSet marks, MarkSet durable,
               const Changed& changed);
  // Raises marks; what would fall or is out of range is ignored.
  void Raise(PartitionId partition, const std::vector<ItemMark>& marks,
             const std::vector<ItemMark>& durable, const Changed& changed);

  bool FullEverywhere(int64_t ordinal) const;
  // Every item full and durable on every partition.
  bool Complete() const;
  // Every item full on every partition, durable or not.
  bool AllApplied() const { return full_everywhere_ == plan_->items(); }
  int64_t full_everywhere() const { return full_everywhere_; }
  int64_t durable_everywhere() const;

  // Marks of an item by partition: where a new lease starts.
  std::vector<int64_t> Hints(ItemId item) const;
  // The lowest and the highest mark of an item over the partitions.
  int64_t LowestMark(ItemId item) const;
  int64_t HighestMark(ItemId item) const;

  // Examples applied to the partition that has the fewest.
  int64_t LeastExamples() const;
  // The end of the last touched item of any partition, as far as it is applied
  // or durable (JobPlan::PlaceOf).
  int64_t PlaceOfEnd() const;

  // Epochs, or rounds, below it are full on every partition.
  int32_t EpochsFull() const;
  int32_t EpochsDurable() const;
  int64_t RoundsClosed() const;
  int64_t RoundsDurable() const;

  const JobPlan& plan() const { return *plan_; }
  const MarkSet& marks(PartitionId p) const { return marks_[p.value()]; }
  const MarkSet& durable(PartitionId p) const { return durable_[p.value()]; }

 private:
  void Count(const MarkSet& before, const MarkSet& after,
             const Changed& changed);
  void CountOne(int64_t ordinal, int delta, const Changed& changed);
  struct EpochCounts {
    std::vector<int32_t> partitions;  // By shard: on how many it is full.
    int32_t full_everywhere = 0;      // So many shards are full on all.
  };
  // The counts of an epoch, which are there from now on.
  EpochCounts& CountsOf(int32_t epoch);
  // Forgets those of epochs that are full.
  void CloseEpochs();

  const JobPlan* plan_;  // Not owned.
  std::vector<MarkSet> marks_;
  std::vector<MarkSet> durable_;
  // Epochs below it are full on every partition.
  int32_t closed_ = 0;
  std::map<int32_t, EpochCounts> counts_;  // From closed_ on, where not 0.
  int64_t full_everywhere_ = 0;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_MARK_TABLE_H_

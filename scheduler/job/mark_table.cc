#include "scheduler/job/mark_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/plant.h"

namespace ebb::scheduler {

MarkTable::MarkTable(const JobPlan& plan)
    : plan_(&plan),
      marks_(plan.partitions, MarkSet(plan)),
      durable_(plan.partitions, MarkSet(plan)) {}

bool MarkTable::FullEverywhere(int64_t ordinal) const {
  const ItemId item = plan_->ItemAt(ordinal);
  if (item.epoch < closed_) return true;
  const auto counts = counts_.find(item.epoch);
  return counts != counts_.end() &&
         counts->second.partitions[item.shard] == plan_->partitions;
}

MarkTable::EpochCounts& MarkTable::CountsOf(int32_t epoch) {
  while (closed_ > epoch) {
    --closed_;
    const int32_t shards = plan_->ShardsOf(closed_);
    counts_[closed_] = {std::vector<int32_t>(shards, plan_->partitions),
                        shards};
  }
  EpochCounts& counts = counts_[epoch];
  if (counts.partitions.empty()) {
    counts.partitions.resize(plan_->ShardsOf(epoch));
  }
  return counts;
}

void MarkTable::CloseEpochs() {
  for (auto it = counts_.begin();
       it != counts_.end() && it->first == closed_ &&
       it->second.full_everywhere == plan_->ShardsOf(closed_);
       it = counts_.erase(it)) {
    ++closed_;
  }
}

void MarkTable::CountOne(int64_t ordinal, int delta, const Changed& changed) {
  const ItemId item = plan_->ItemAt(ordinal);
  EpochCounts& counts = CountsOf(item.epoch);
  int32_t& count = counts.partitions[item.shard];
  const bool before = count == plan_->partitions;
  count += delta;
  const bool after = count == plan_->partitions;
  if (before == after) return;
  counts.full_everywhere += after ? 1 : -1;
  full_everywhere_ += after ? 1 : -1;
  changed(ordinal);
}

// Only the epochs in which the two differ are looked at.
void MarkTable::Count(const MarkSet& before, const MarkSet& after,
                      const Changed& changed) {
  const int32_t first =
      std::min(before.first_open_epoch(), after.first_open_epoch());
  const int32_t end = std::max(before.end_epoch(), after.end_epoch());
  for (int64_t o = plan_->ItemsBefore(first); o < plan_->ItemsBefore(end);
       ++o) {
    const ItemId item = plan_->ItemAt(o);
    const int delta = static_cast<int>(after.Full(item)) -
                      static_cast<int>(before.Full(item));
    if (delta != 0) CountOne(o, delta, changed);
  }
  CloseEpochs();
}

void MarkTable::Replace(PartitionId partition, MarkSet marks, MarkSet durable,
                        const Changed& changed) {
  MarkSet& known = marks_[partition.value()];
  const bool lowers = marks.examples() < known.examples();
  if (lowers && EBB_PLANTED(registration_lowers_nothing)) return;
  Count(known, marks, changed);
  known = std::move(marks);
  durable_[partition.value()] = std::move(durable);
}

void MarkTable::Raise(PartitionId partition, const std::vector<ItemMark>& marks,
                      const std::vector<ItemMark>& durable,
                      const Changed& changed) {
  MarkSet& known = marks_[partition.value()];
  for (const ItemMark& one : marks) {
    if (!plan_->HasItem(one.item)) continue;
    const bool before = known.Full(one.item);
    if (!known.Raise(one.item, one.mark).ok()) continue;
    if (!before && known.Full(one.item)) {
      CountOne(plan_->Ordinal(one.item), 1, changed);
    }
  }
  CloseEpochs();
  MarkSet& stored = durable_[partition.value()];
  for (const ItemMark& one : durable) {
    // A report that is older than what is known lowers nothing.
    stored.Raise(one.item, one.mark).IgnoreError();
  }
}

bool MarkTable::Complete() const {
  return AllApplied() &&
         std::all_of(durable_.begin(), durable_.end(),
                     [](const MarkSet& set) { return set.Complete(); });
}

int64_t MarkTable::durable_everywhere() const {
  int64_t least = plan_->items();
  for (const MarkSet& set : durable_) {
    least = std::min(least, set.full_items());
  }
  return least;
}

std::vector<int64_t> MarkTable::Hints(ItemId item) const {
  std::vector<int64_t> hints(marks_.size());
  for (size_t p = 0; p < marks_.size(); ++p) hints[p] = marks_[p].mark(item);
  return hints;
}

int64_t MarkTable::LowestMark(ItemId item) const {
  int64_t lowest = plan_->ItemSize(item);
  for (const MarkSet& set : marks_) lowest = std::min(lowest, set.mark(item));
  return lowest;
}

int64_t MarkTable::HighestMark(ItemId item) const {
  int64_t highest = 0;
  for (const MarkSet& set : marks_) highest = std::max(highest, set.mark(item));
  return highest;
}

int64_t MarkTable::LeastExamples() const {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const MarkSet& marks : marks_) {
    least = std::min(least, marks.examples());
  }
  return least;
}

int64_t MarkTable::PlaceOfEnd() const {
  int64_t end = 0;
  for (const auto* sets : {&marks_, &durable_}) {
    for (const MarkSet& set : *sets) end = std::max(end, set.PlaceOfEnd());
  }
  return end;
}

int32_t MarkTable::EpochsFull() const {
  int32_t least = plan_->epochs;
  for (const MarkSet& set : marks_) {
    least = std::min(least, set.first_open_epoch());
  }
  return least;
}

int32_t MarkTable::EpochsDurable() const {
  int32_t least = plan_->epochs;
  for (const MarkSet& set : durable_) {
    least = std::min(least, set.first_open_epoch());
  }
  return least;
}

int64_t MarkTable::RoundsClosed() const {
  int64_t least = plan_->RoundCount();
  for (const MarkSet& set : marks_) {
    least = std::min(least, set.first_open_round());
  }
  return least;
}

int64_t MarkTable::RoundsDurable() const {
  int64_t least = plan_->RoundCount();
  for (const MarkSet& set : durable_) {
    least = std::min(least, set.first_open_round());
  }
  return least;
}

}  // namespace ebb::scheduler

#include "client/leased_items.h"

#include <algorithm>
#include <utility>

namespace ebb::client {

int64_t LeasedItem::Next() const {
  if (shares.empty()) return progress.Next();
  int64_t least = progress.size();
  for (int32_t p = 0; p < progress.partitions(); ++p) {
    least = std::min(least, Next(PartitionId(p)));
  }
  return least;
}

void LeasedItem::Acknowledged(PartitionId p, int64_t mark) {
  progress.Acknowledged(p, mark);
  shares.Acknowledged(p, progress.mark(p));
}

int64_t LeasedItem::Refused(PartitionId p, int64_t mark) {
  const int64_t before = progress.LowestMark();
  progress.Refused(p, mark);
  shares.Acknowledged(p, progress.mark(p));
  return std::max<int64_t>(0, before - progress.LowestMark());
}

bool LeasedItem::SkipsAny(int64_t begin, int64_t end) const {
  return std::any_of(skipped.begin(), skipped.end(), [&](const auto& range) {
    return range.begin < end && begin < range.end;
  });
}

void LeasedItems::Take(const JobPlan& plan, Lease lease, absl::Time now) {
  ttl_ = lease.ttl;
  advanced_ = now;
  if (LeasedItem* held = Find(lease.item)) {
    // A share may have in it what is to be skipped.
    if (held->skipped != lease.skipped) held->shares.Clear();
    held->skipped = std::move(lease.skipped);
    held->careful = lease.careful;
    return;
  }
  if (items_.empty()) PlanRenewal(now);
  const auto after =
      std::find_if(items_.begin(), items_.end(), [&](const LeasedItem& held) {
        return lease.item < held.progress.item();
      });
  // Whole batches of what is there.
  int64_t size = plan.ItemSize(lease.item);
  if (plan.grows && lease.reached < size) {
    size = lease.reached - lease.reached % plan.BatchSize(lease.item);
  }
  LeasedItem taken{ItemProgress(lease.item, size, lease.hints, plan.partitions),
                   std::move(lease.skipped),
                   {}};
  taken.careful = lease.careful;
  items_.insert(after, std::move(taken));
}

void LeasedItems::Remove(ItemId item) {
  items_.remove_if(
      [&](const LeasedItem& held) { return held.progress.item() == item; });
  if (gathered_ && gathered_->run.item == item) gathered_.reset();
}

LeasedItem* LeasedItems::Find(ItemId item) {
  for (LeasedItem& held : items_) {
    if (held.progress.item() == item) return &held;
  }
  return nullptr;
}

bool LeasedItems::Holds(ItemId item) const {
  return std::any_of(items_.begin(), items_.end(), [&](const auto& held) {
    return held.progress.item() == item;
  });
}

std::vector<ItemId> LeasedItems::Ids() const {
  std::vector<ItemId> ids;
  for (const LeasedItem& held : items_) ids.push_back(held.progress.item());
  return ids;
}

std::vector<ItemId> LeasedItems::Done() const {
  std::vector<ItemId> ids;
  for (const LeasedItem& held : items_) {
    if (held.progress.Done()) ids.push_back(held.progress.item());
  }
  return ids;
}

LeasedItem* LeasedItems::Next(int64_t* begin) {
  for (LeasedItem& held : items_) {
    *begin = held.Next();
    if (*begin < held.progress.size()) return &held;
  }
  return nullptr;
}

const LeasedItem* LeasedItems::NextAfter(const Run* computed,
                                         int64_t* begin) const {
  for (const LeasedItem& held : items_) {
    *begin = held.Next();
    if (computed != nullptr && computed->item == held.progress.item() &&
        computed->begin == *begin) {
      *begin = computed->end;
    }
    if (*begin < held.progress.size()) return &held;
  }
  return nullptr;
}

std::vector<LeasedItems::Run> LeasedItems::Ahead(const JobPlan& plan,
                                                 const Run* computed,
                                                 size_t most) const {
  std::vector<Run> runs;
  for (const LeasedItem& held : items_) {
    const ItemId item = held.progress.item();
    int64_t begin = held.Next();
    const auto pass = [&](const Run& run) {
      if (run.item == item && run.begin == begin) begin = run.end;
    };
    if (gathered_) pass(gathered_->run);
    if (computed != nullptr) pass(*computed);
    while (begin < held.progress.size() && runs.size() < most) {
      const int64_t end = plan.BatchEnd(item, begin);
      if (!held.Skips(begin)) runs.push_back({item, begin, end});
      begin = end;
    }
  }
  return runs;
}

int64_t LeasedItems::KeptBatches(const JobPlan& plan) const {
  int64_t batches = 0;
  for (const LeasedItem& held : items_) {
    const int64_t size = plan.BatchSize(held.progress.item());
    batches += (held.shares.Longest() + size - 1) / size;
  }
  return batches;
}

bool LeasedItems::AnyCareful() const {
  return std::ranges::any_of(items_, &LeasedItem::careful);
}

bool LeasedItems::LeavesSomething() const {
  return std::any_of(items_.begin(), items_.end(), [](const LeasedItem& held) {
    return held.left_over && held.Next() < held.progress.size();
  });
}

void LeasedItems::StepBack(PartitionId partition) {
  for (LeasedItem& held : items_) held.progress.StepBack(partition);
}

}  // namespace ebb::client

#include "client/leased_items.h"

#include <algorithm>
#include <utility>

namespace ebb::client {

bool LeasedItem::Skips(int64_t begin) const {
  return std::any_of(skipped.begin(), skipped.end(), [&](const auto& range) {
    return range.begin <= begin && begin < range.end;
  });
}

void LeasedItems::Take(const JobPlan& plan, Lease lease, absl::Time now) {
  ttl_ = lease.ttl;
  advanced_ = now;
  if (LeasedItem* held = Find(lease.item)) {
    held->skipped = std::move(lease.skipped);
    return;
  }
  if (items_.empty()) PlanRenewal(now);
  const auto after =
      std::find_if(items_.begin(), items_.end(), [&](const LeasedItem& held) {
        return lease.item < held.progress.item();
      });
  items_.insert(after, {ItemProgress(lease.item, plan.ItemSize(lease.item),
                                     lease.hints, plan.partitions),
                        std::move(lease.skipped)});
}

void LeasedItems::Remove(ItemId item) {
  items_.remove_if(
      [&](const LeasedItem& held) { return held.progress.item() == item; });
}

LeasedItem* LeasedItems::Find(ItemId item) {
  for (LeasedItem& held : items_) {
    if (held.progress.item() == item) return &held;
  }
  return nullptr;
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
    *begin = held.progress.Next();
    if (*begin < held.progress.size()) return &held;
  }
  return nullptr;
}

const LeasedItem* LeasedItems::NextAfter(const Run* computing) const {
  for (const LeasedItem& held : items_) {
    int64_t begin = held.progress.Next();
    if (computing != nullptr && computing->item == held.progress.item() &&
        computing->begin == begin) {
      begin = computing->end;
    }
    if (begin < held.progress.size()) return &held;
  }
  return nullptr;
}

void LeasedItems::StepBack(PartitionId partition) {
  for (LeasedItem& held : items_) held.progress.StepBack(partition);
}

}  // namespace ebb::client

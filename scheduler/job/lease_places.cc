#include "scheduler/job/lease_places.h"

#include <algorithm>
#include <vector>

#include "common/plant.h"

namespace ebb::scheduler {

LeasePlaces::LeasePlaces(const JobPlan& plan, const LeaseTable& leases,
                         int64_t window)
    : plan_(plan),
      leases_(leases),
      order_(plan.seed, {plan.examples, plan.shard_size, window}) {
  // One window has all items. Impossible sizes are left alone: this is a hint.
  if (window <= 0 || plan.examples <= window ||
      !order_.layout().Validate().ok()) {
    return;
  }
  window_items_ = window / plan.shard_size;
}

LeasePlaces::Run LeasePlaces::ItemsOf(int32_t epoch, int64_t place,
                                      const Run& within) const {
  const int64_t begin = plan_.Ordinal({epoch, 0}) + place * window_items_;
  return {std::max(begin, within.begin),
          std::min(begin + window_items_, within.end)};
}

std::optional<int64_t> LeasePlaces::LowestOpen(const Run& run) const {
  for (int64_t i = run.begin; i < run.end; ++i) {
    if (leases_.Open(i)) return i;
  }
  return std::nullopt;
}

int64_t LeasePlaces::CountOpen(const Run& run) const {
  int64_t open = 0;
  for (int64_t i = run.begin; i < run.end; ++i) open += leases_.Open(i) ? 1 : 0;
  return open;
}

bool LeasePlaces::Held(const Run& run) const {
  const auto first = leases_.held().lower_bound(run.begin);
  return first != leases_.held().end() && first->first < run.end;
}

std::optional<int64_t> LeasePlaces::Choose(SessionId worker, int64_t lowest) {
  if (window_items_ == 0) return lowest;
  if (!latest_.contains(worker)) {
    // Leases of before this scheduler.
    const std::vector<int64_t> held = leases_.HeldBy(worker);
    if (!held.empty()) Leased(worker, held.back());
  }
  const ItemId first = plan_.ItemAt(lowest);
  const int32_t epoch = first.epoch;
  Run all{lowest, plan_.Ordinal({epoch + 1, 0})};
  if (plan_.rounds()) {
    all.end = std::min(all.end, plan_.RoundItems(plan_.RoundOf(first)).second);
  }
  const int64_t workers = leases_.CountHolders() + 1;
  const int64_t begin = PlaceOf(first);
  const int64_t end =
      begin + std::min(kMostWindows, kWindowsPerWorker * workers);
  if (const auto latest = latest_.find(worker); latest != latest_.end()) {
    const ItemId item = plan_.ItemAt(latest->second);
    const int64_t place = PlaceOf(item);
    if (item.epoch == epoch && place >= begin && place < end) {
      const auto open = LowestOpen(ItemsOf(epoch, place, all));
      if (open) return open;
    }
  }
  std::optional<int64_t> nobodys, idle, shared;
  int64_t most_open = 0;
  int64_t looked = 0;
  // The first window has the lowest item, so one is always found.
  for (int64_t place = begin; place < end && looked < kMostItems; ++place) {
    const Run items = ItemsOf(epoch, place, all);
    if (items.begin >= items.end) break;
    const auto had = had_by_.find(order_.WindowOf(plan_.ItemAt(items.begin)));
    const bool own = had != had_by_.end() && had->second == worker;
    if (nobodys && !own) continue;
    const auto open = LowestOpen(items);
    looked += open.value_or(items.end) - items.begin + 1;
    if (!open) continue;
    if (own) return open;
    // Items before the lowest open one may be held, too.
    const bool held = Held(ItemsOf(epoch, place, {0, all.end}));
    // Held, but remembered of no worker: the lease is older than this
    // scheduler.
    if (had == had_by_.end() && !held) {
      nobodys = open;
    } else if (!held) {
      idle = open;
    } else {
      looked += items.end - items.begin;
      if (const int64_t count = CountOpen(items); count > most_open) {
        most_open = count;
        shared = open;
      }
    }
  }
  if (nobodys) return nobodys;
  if (EBB_PLANTED(window_passed_over_for_ever)) return std::nullopt;
  return idle ? idle : shared;
}

void LeasePlaces::Leased(SessionId worker, int64_t ordinal) {
  if (window_items_ == 0) return;
  latest_[worker] = ordinal;
  const int64_t window = order_.WindowOf(plan_.ItemAt(ordinal));
  if (const auto it = had_by_.find(window); it != had_by_.end()) {
    it->second = worker;
  } else if (static_cast<int64_t>(had_by_.size()) < kMostRemembered) {
    had_by_[window] = worker;
  }
}

void LeasePlaces::Forget(SessionId worker) {
  if (EBB_PLANTED(window_passed_over_for_ever)) return;
  if (latest_.erase(worker) == 0) return;
  absl::erase_if(had_by_,
                 [worker](const auto& one) { return one.second == worker; });
}

}  // namespace ebb::scheduler

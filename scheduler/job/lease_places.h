// Leases by place: where workers read the training data window by window, a
// worker gets items of windows that it has. Items of one window stick to one
// worker, so that each window is read about once in an epoch, and in later
// epochs again by the worker that has it.
//
// A worker has what it was leased: this table remembers which worker was last
// leased an item of each window. It looks at a few windows from the lowest open
// item on, in the same epoch and round, and chooses in this order:
//   1. the next item of the worker's latest window,
//   2. an item of the first window that it had,
//   3. an item of the first window that no present worker had or holds,
//   4. an item of the last window of which no item is leased,
//   5. an item of the window with the most open items.
// So no item is passed over for ever: if all windows after the lowest item that
// it looks at are done, an item of the lowest window is chosen.
//
// A hint, as a lease is. Decision logic only. Thread-compatible.
#ifndef EBB_SCHEDULER_JOB_LEASE_PLACES_H_
#define EBB_SCHEDULER_JOB_LEASE_PLACES_H_

#include <cstdint>
#include <map>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "data/order.h"
#include "protocol/plan.h"
#include "scheduler/job/lease_table.h"

namespace ebb::scheduler {

class LeasePlaces {
 public:
  // How many windows it looks at for each worker that has leases, and at most.
  static constexpr int64_t kWindowsPerWorker = 8;
  static constexpr int64_t kMostWindows = 1024;
  // It looks at so many items for one lease, to which one window is added.
  static constexpr int64_t kMostItems = 4096;
  // It remembers the workers of so many windows.
  static constexpr int64_t kMostRemembered = int64_t{1} << 20;

  // `window`: the examples of a window; 0: workers hold all data, and the
  // lowest open item goes first. The plan and the leases outlive it.
  LeasePlaces(const JobPlan& plan, const LeaseTable& leases, int64_t window);

  // The open item that the worker gets. `lowest` is the lowest one.
  std::optional<int64_t> Choose(SessionId worker, int64_t lowest);
  // The worker was leased the item.
  void Leased(SessionId worker, int64_t ordinal);
  // The worker is gone, and its windows with it.
  void Forget(SessionId worker);

 private:
  // Ordinals [begin, end).
  struct Run {
    int64_t begin = 0;
    int64_t end = 0;
  };
  // The items of the window at this place of the epoch, as far as they lie in
  // `within`.
  Run ItemsOf(int32_t epoch, int64_t place, const Run& within) const;
  std::optional<int64_t> LowestOpen(const Run& run) const;
  int64_t CountOpen(const Run& run) const;
  // Returns whether any worker holds one of them.
  bool Held(const Run& run) const;
  int64_t PlaceOf(ItemId item) const { return item.shard / window_items_; }

  const JobPlan& plan_;       // Not owned.
  const LeaseTable& leases_;  // Not owned.
  data::Order order_;
  int64_t window_items_ = 0;  // Items of a window; 0: there are no windows.
  // By window: the worker that was leased an item of it last.
  absl::flat_hash_map<int64_t, SessionId> had_by_;
  std::map<SessionId, int64_t> latest_;  // By worker: its latest item.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_LEASE_PLACES_H_

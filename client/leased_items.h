// The items of one job that a worker has on lease: how far it is with each,
// which batch comes next, and when the leases are to be renewed.
//
// A lease is renewed by progress, not by being alive. The owner says when
// something advanced, and renews only for a short time after that.
//
// Thread-compatible.
#ifndef EBB_CLIENT_LEASED_ITEMS_H_
#define EBB_CLIENT_LEASED_ITEMS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/actions.h"
#include "client/item_progress.h"
#include "client/local_shares.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

struct LeasedItem {
  ItemProgress progress;
  std::vector<SkippedRange> skipped;
  LocalShares shares;
  // A part of the computed gradient waits for the item's next batch.
  bool left_over = false;
  bool careful = false;  // The same as in Lease.

  // Returns where the next batch for the partition begins, sent or kept; and
  // the next batch of all, at most the item's size.
  int64_t Next(PartitionId p) const { return shares.Next(p, progress.sent(p)); }
  int64_t Next() const;
  // The partition's share is there and can be sent as it is.
  bool SharePending(PartitionId p) const { return Next(p) > progress.sent(p); }
  // It was sent, and not acknowledged.
  bool ShareUnderWay(PartitionId p) const {
    const LocalShare* share = shares.empty() ? nullptr : shares.Find(p);
    return share != nullptr && share->begin < progress.sent(p);
  }

  // A server's verdicts: see ItemProgress.
  void Acknowledged(PartitionId p, int64_t mark);
  // Returns by how many examples the item falls back.
  int64_t Refused(PartitionId p, int64_t mark);

  // Returns whether the batch that begins there is to be passed over.
  bool Skips(int64_t begin) const { return SkipsAny(begin, begin + 1); }
  // Returns whether some of the examples are.
  bool SkipsAny(int64_t begin, int64_t end) const;
};

class LeasedItems {
 public:
  using Run = ExampleRun;
  // Batches that were computed and wait to be pushed with the next one, and the
  // values that the first of them was computed from.
  struct Gathered {
    Run run;
    PulledValuesPtr values;
  };

  // Takes a lease, in the order of the items. For an item that is held already,
  // it only takes over the ranges to skip.
  void Take(const JobPlan& plan, Lease lease, absl::Time now);
  void Remove(ItemId item);
  void Clear() {
    items_.clear();
    gathered_.reset();
  }

  bool AnyCareful() const;
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  LeasedItem* Find(ItemId item);
  bool Holds(ItemId item) const;
  const LeasedItem& front() const { return items_.front(); }
  std::list<LeasedItem>::const_iterator begin() const { return items_.begin(); }
  std::list<LeasedItem>::const_iterator end() const { return items_.end(); }
  // In the order of the items: all, and those that every partition has.
  std::vector<ItemId> Ids() const;
  std::vector<ItemId> Done() const;

  // The first item with something left to compute, where its next batch begins
  // in *begin; null: there is none.
  LeasedItem* Next(int64_t* begin);
  // Does the same as Next if `computed` (null: no run) were pushed already.
  const LeasedItem* NextAfter(const Run* computed, int64_t* begin) const;

  // The batches that are likely to come next, in order: those of the held items
  // after `computed` (null: none is computed), `most` at most.
  std::vector<Run> Ahead(const JobPlan& plan, const Run* computed,
                         size_t most) const;

  // Batches that are kept in shares, of all items.
  int64_t KeptBatches(const JobPlan& plan) const;

  // The gathered run, of one item at a time; empty: there is none. It is
  // dropped with its item.
  const std::optional<Gathered>& gathered() const { return gathered_; }
  void Gather(Gathered gathered) { gathered_ = std::move(gathered); }
  void DropGathered() { gathered_.reset(); }
  // A part of a gradient waits for the next batch of its item, and is lost if
  // there is none.
  bool LeavesSomething() const;

  // Pushes to the partition may be lost.
  void StepBack(PartitionId partition);

  // --- Renewal ---------------------------------------------------------------
  void Advanced(absl::Time now) { advanced_ = now; }
  // Something advanced within the life of a lease.
  bool AdvancedLately(absl::Time now) const {
    return AdvancedWithin(ttl_, now);
  }
  bool AdvancedWithin(absl::Duration time, absl::Time now) const {
    return now - advanced_ < time;
  }
  absl::Duration ttl() const { return ttl_; }
  // When to see to it next; means nothing while there are no items.
  absl::Time next_renewal() const { return next_renewal_; }
  // It was seen to.
  void PlanRenewal(absl::Time now) { next_renewal_ = now + ttl_ / 5; }

 private:
  std::list<LeasedItem> items_;  // In the order of the items.
  std::optional<Gathered> gathered_;
  absl::Duration ttl_ = absl::Seconds(3);
  absl::Time advanced_ = absl::InfinitePast();
  absl::Time next_renewal_ = absl::InfinitePast();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_LEASED_ITEMS_H_

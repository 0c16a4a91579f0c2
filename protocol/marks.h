// Marks: per item, how many of its examples a partition has applied. Always a
// prefix of the item (docs/protocol.md).
//
// Finished items fold into a bitmap per epoch, finished epochs into a counter,
// so a long job's marks stay small.
//
// Thread-compatible. The plan outlives the set.
#ifndef EBB_PROTOCOL_MARKS_H_
#define EBB_PROTOCOL_MARKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb {

struct ItemMark {
  ItemId item;
  int64_t mark = 0;
  friend bool operator==(const ItemMark&, const ItemMark&) = default;
};

class MarkSet {
 public:
  explicit MarkSet(const JobPlan& plan) : plan_(&plan) {}

  // 0 for an item never touched, its size for a full one.
  int64_t mark(ItemId item) const;
  bool Full(ItemId item) const;
  // Items that are full, of all epochs.
  int64_t full_items() const { return full_items_; }
  bool Complete() const { return full_items_ == plan_->items(); }
  // Examples below the marks.
  int64_t examples() const { return examples_; }

  // Sets the item's mark, which may not fall. An item whose mark reaches its
  // size becomes full. Marks beyond the size, of no item, or falling are
  // InvalidArgument and change nothing.
  absl::Status Raise(ItemId item, int64_t mark);

  // The items that are neither untouched nor full.
  const absl::btree_map<ItemId, int64_t>& partial() const { return partial_; }
  // The first epoch not all of whose items are full.
  int32_t first_open_epoch() const { return full_epochs_; }
  // No item of this epoch, or of a later one, is full.
  int32_t end_epoch() const {
    return bitmaps_.empty() ? full_epochs_ : bitmaps_.rbegin()->first + 1;
  }
  // The end of the last item that is touched, as far as it is applied
  // (JobPlan::PlaceOf).
  int64_t PlaceOfEnd() const;
  // The first round (plan.rounds()) not all of whose items are full.
  int64_t first_open_round() const;

  // A compact form; Decode refuses whatever is not a set of this plan.
  std::string Encode() const;
  static absl::StatusOr<MarkSet> Decode(const JobPlan& plan,
                                        absl::string_view bytes);

  friend bool operator==(const MarkSet& a, const MarkSet& b) {
    return a.full_epochs_ == b.full_epochs_ && a.bitmaps_ == b.bitmaps_ &&
           a.partial_ == b.partial_;
  }

 private:
  struct Bitmap {
    std::vector<bool> full;
    int32_t count = 0;
    friend bool operator==(const Bitmap&, const Bitmap&) = default;
  };

  void SetFull(ItemId item);

  const JobPlan* plan_;                       // Not owned.
  int32_t full_epochs_ = 0;                   // All earlier epochs are full.
  std::map<int32_t, Bitmap> bitmaps_;         // By epoch, from full_epochs_ on.
  absl::btree_map<ItemId, int64_t> partial_;  // 0 < mark < size.
  int64_t full_items_ = 0;
  int64_t examples_ = 0;
};

}  // namespace ebb

#endif  // EBB_PROTOCOL_MARKS_H_

// How far a worker is with one item: two numbers per partition.
//
//   sent  the next example to be computed for the partition
//   mark  the last that it acknowledged; sent is never below it
//
// A worker computes the batch at the smallest `sent` and pushes it to the
// partitions whose `sent` is there. Refusals move both numbers, broken streams
// set sent back to mark; that is all a worker knows (docs/protocol.md).
//
// Thread-compatible.
#ifndef EBB_CLIENT_ITEM_PROGRESS_H_
#define EBB_CLIENT_ITEM_PROGRESS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/ids.h"

namespace ebb::client {

class ItemProgress {
 public:
  // `size`: as much of the item as the worker may compute. `hints` are marks
  // that may be wrong; one per partition.
  ItemProgress(ItemId item, int64_t size, const std::vector<int64_t>& hints,
               int32_t partitions)
      : item_(item), size_(size), positions_(partitions) {
    for (size_t p = 0; p < positions_.size() && p < hints.size(); ++p) {
      const int64_t hint = std::clamp<int64_t>(hints[p], 0, size);
      positions_[p] = {hint, hint};
    }
  }

  ItemId item() const { return item_; }
  int64_t size() const { return size_; }
  int32_t partitions() const { return static_cast<int32_t>(positions_.size()); }

  // Returns where the next batch begins; size() when everything is on its way.
  int64_t Next() const {
    int64_t least = size_;
    for (const Position& p : positions_) least = std::min(least, p.sent);
    return least;
  }
  // Every partition acknowledged the whole item.
  bool Done() const {
    return std::all_of(positions_.begin(), positions_.end(),
                       [&](const Position& p) { return p.mark == size_; });
  }
  int64_t LowestMark() const {
    int64_t least = size_;
    for (const Position& p : positions_) least = std::min(least, p.mark);
    return least;
  }
  int64_t sent(PartitionId p) const { return positions_[p.value()].sent; }
  int64_t mark(PartitionId p) const { return positions_[p.value()].mark; }

  void Sent(PartitionId p, int64_t end) { positions_[p.value()].sent = end; }
  // "applied" or "duplicate".
  void Acknowledged(PartitionId p, int64_t mark) {
    Position& position = positions_[p.value()];
    position.mark = std::clamp(mark, position.mark, size_);
    position.sent = std::max(position.sent, position.mark);
  }
  // "gap" or "overlap": the partition says where it is, even if it is lower.
  void Refused(PartitionId p, int64_t mark) {
    const int64_t there = std::clamp<int64_t>(mark, 0, size_);
    positions_[p.value()] = {there, there};
  }
  // A broken stream or a new term: pushes that were sent may be lost.
  void StepBack(PartitionId p) {
    positions_[p.value()].sent = positions_[p.value()].mark;
  }

 private:
  struct Position {
    int64_t sent = 0;
    int64_t mark = 0;
  };

  ItemId item_;
  int64_t size_;
  std::vector<Position> positions_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ITEM_PROGRESS_H_

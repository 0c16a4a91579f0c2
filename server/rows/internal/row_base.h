// The base of a table, place by place.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_BASE_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_BASE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_store.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// The places over which a RenewalHand goes: first counters of admission, a
// chunk of as many bytes as a block at a time; then blocks of rows.
//
// Valid while the rows do not change.
class RowBase {
 public:
  // Borrows the rows.
  RowBase(const RowStore& rows, int64_t counter_count)
      : rows_(rows),
        counter_count_(counter_count),
        block_bytes_(rows.pool().block_bytes()),
        counter_places_(BlocksFor(counter_count)) {}

  int64_t block_bytes() const { return block_bytes_; }
  // Returns the places of counters; those of blocks come behind them.
  int64_t counter_places() const { return counter_places_; }
  int64_t places() const {
    return counter_places_ + static_cast<int64_t>(rows_.blocks().size());
  }
  int64_t PlaceOf(int64_t block) const { return counter_places_ + block; }

  // The blocks that so many bytes take; and those of a new part.
  int64_t BlocksFor(int64_t bytes) const {
    return internal::BlocksFor(bytes, block_bytes_);
  }
  int64_t BlocksOf(const RowCutOutline& outline) const {
    return outline.blocks + BlocksFor(PackedBytes(outline)) +
           BlocksFor(CounterBytes(outline));
  }
  int64_t PackedBytes(const RowCutOutline& outline) const {
    return internal::PackedBytes(outline, rows_.layout(), block_bytes_);
  }

  // But for its bits.
  int64_t BytesAt(int64_t place) const {
    if (place < counter_places_) {
      return std::min(block_bytes_, counter_count_ - place * block_bytes_);
    }
    return HasRows(place) ? UsedBytes() : 0;
  }
  // The run of the part is the places [first, end).
  void SetRun(int64_t first, int64_t end, RowCutOutline* outline) const;
  int64_t BytesOfRun(const RowCutOutline& outline) const {
    return outline.blocks * UsedBytes() + BitmapBytes(outline, rows_.layout()) +
           CounterBytes(outline);
  }
  // A part with all rows and counters; and its bytes.
  RowCutOutline All() const;
  int64_t BytesOfAll() const { return BytesOfRun(All()); }

 private:
  bool HasRows(int64_t place) const {
    return rows_.blocks().Exists(static_cast<size_t>(place - counter_places_));
  }
  int64_t UsedBytes() const {
    return static_cast<int64_t>(rows_.layout().used_bytes());
  }

  const RowStore& rows_;
  const int64_t counter_count_;
  const int64_t block_bytes_;
  const int64_t counter_places_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_BASE_H_

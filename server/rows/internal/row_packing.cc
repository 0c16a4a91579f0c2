#include "server/rows/internal/row_packing.h"

#include <algorithm>
#include <utility>

#include "server/rows/internal/row_reader.h"

namespace ebb::server::internal {

RowPacking::Hold::Hold(RowPacking* packing) {
  if (packing == nullptr) return;
  const MutexLock turn(&packing->turn_);
  lock_.emplace(&packing->mutex_);
}

RowPacking::RowPacking(const RowLayout& layout, std::vector<uint32_t> rows,
                       const std::vector<const std::byte*>* block_bytes,
                       std::vector<BlockRef> blocks, BlockWriter write)
    : layout_(layout),
      rows_(std::move(rows)),
      block_bytes_(*block_bytes),
      blocks_(std::move(blocks)),
      write_(std::move(write)),
      saved_(rows_.size()) {}

void RowPacking::Finish() {
  // A few microseconds.
  constexpr size_t kTogether = 16;
  constexpr size_t kAhead = 16;
  while (!finished()) {
    const Hold hold(this);
    mutex_.AssertHeld();
    const size_t end = std::min(next_ + kTogether, rows_.size());
    for (; next_ < end; ++next_) {
      const size_t ahead = next_ + kAhead;
      if (ahead < rows_.size() && !saved_[ahead]) {
        PrefetchBytes(RecordOf(ahead), layout_.record_bytes());
      }
      if (!saved_[next_]) Pack(next_);
    }
    if (end == rows_.size()) finished_.store(true, std::memory_order_release);
  }
}

void RowPacking::Save(uint32_t row) {
  mutex_.AssertHeld();
  const auto order = [&](uint32_t each) { return each - rows_.front(); };
  const auto it = std::ranges::lower_bound(rows_, order(row), {}, order);
  if (it == rows_.end() || *it != row) return;
  const auto i = static_cast<size_t>(it - rows_.begin());
  if (i < next_ || saved_[i]) return;
  Pack(i);
  saved_[i] = true;
}

void RowPacking::Pack(size_t i) {
  write_.Seek(i * (sizeof(uint32_t) + layout_.record_bytes()));
  write_.PutValue(rows_[i]);
  write_.Put({RecordOf(i), layout_.record_bytes()});
}

const std::byte* RowPacking::RecordOf(size_t i) const {
  const RowLayout::Place place = layout_.PlaceOf(rows_[i]);
  return block_bytes_[place.block] + place.offset;
}

}  // namespace ebb::server::internal

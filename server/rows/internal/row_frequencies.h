// How often each row of a table is changed.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_FREQUENCIES_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_FREQUENCIES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "server/rows/internal/row_push.h"
#include "server/rows/row_frequency.h"

namespace ebb::server::internal {

// The frequencies by row number, in memory only: versions do not have them. A
// table whose steps do not go by the staleness of rows has none.
//
// Thread-compatible.
class RowFrequencies {
 public:
  explicit RowFrequencies(bool kept) : kept_(kept) {}

  bool kept() const { return kept_; }
  size_t bytes() const { return chunks_.size() * kRowsPerChunk * kRowBytes; }
  // The bytes for so many row numbers.
  int64_t BytesFor(int64_t capacity) const {
    return kept_ ? capacity * static_cast<int64_t>(kRowBytes) : 0;
  }

  // Room for this many row numbers. None that is there moves.
  void Reserve(int64_t capacity) {
    if (!kept_) return;
    while (Room() < capacity) {
      chunks_.push_back(std::make_unique<RowFrequency[]>(kRowsPerChunk));
    }
  }
  // All rows below `capacity` were loaded after `update`.
  void Load(int64_t capacity, int64_t update) {
    Reserve(capacity);
    for (const auto& chunk : chunks_) {
      std::fill_n(chunk.get(), kRowsPerChunk, RowFrequency(update));
    }
  }

  // Requires kept(), and room for the row.
  RowFrequency Of(uint32_t row) const { return *PlaceOf(row); }
  const RowFrequency* PlaceOf(uint32_t row) const {
    return &chunks_[row / kRowsPerChunk][row % kRowsPerChunk];
  }
  // The push was the table's update of this number. Its rows have room.
  void Count(std::span<const RowPush::Row> rows, int64_t update) {
    if (!kept_) return;
    for (const RowPush::Row& row : rows) {
      RowFrequency next(update);
      if (row.kind == RowPush::Kind::kChanged) {
        next = row.frequency;
        next.Change(update);
      }
      chunks_[row.row / kRowsPerChunk][row.row % kRowsPerChunk] = next;
    }
  }

 private:
  static constexpr size_t kRowBytes = sizeof(RowFrequency);
  static constexpr size_t kRowsPerChunk = 4096;

  int64_t Room() const {
    return static_cast<int64_t>(chunks_.size() * kRowsPerChunk);
  }

  const bool kept_;
  std::vector<std::unique_ptr<RowFrequency[]>> chunks_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_FREQUENCIES_H_

// How the rows of a sparse table lie in blocks of memory.
#ifndef EBB_SERVER_ROWS_ROW_LAYOUT_H_
#define EBB_SERVER_ROWS_ROW_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::server {

// A row is a record: its key (8 bytes), when it was touched last (4 bytes, in
// the units of RowAges), its weights, then its slots. A block holds as many
// whole records as fit, so row number r is record r % rows_per_block() of block
// r / rows_per_block(). Integers are little-endian, floats lie at multiples of
// four.
//
// Immutable, so thread-safe.
class RowLayout {
 public:
  // Row numbers are below this.
  static constexpr int64_t kMaxRows = int64_t{1} << 31;

  // Makes the layout of rows of `width` floats and as many in each of `slots`.
  // `table` is named in errors. InvalidArgument: the width is below 1, or a row
  // is larger than a block.
  static absl::StatusOr<RowLayout> Make(absl::string_view table, int64_t width,
                                        int slots, int64_t block_bytes);

  size_t width() const { return width_; }
  int slots() const { return slots_; }
  size_t record_bytes() const { return record_bytes_; }
  uint32_t rows_per_block() const { return rows_per_block_; }
  // Used bytes of a block; the rest of it is free.
  size_t used_bytes() const { return rows_per_block_ * record_bytes_; }
  // Returns the blocks that so many row numbers take.
  size_t BlocksOf(int64_t rows) const {
    return static_cast<size_t>((rows + rows_per_block_ - 1) / rows_per_block_);
  }

  struct Place {
    uint32_t block = 0;
    size_t offset = 0;  // Offset of the record, in bytes.
  };
  Place PlaceOf(uint32_t row) const {
    const uint32_t block = BlockOf(row);
    return {block, size_t{row - block * rows_per_block_} * record_bytes_};
  }
  uint32_t BlockOf(uint32_t row) const {
    // With reciprocal = floor((2^64 - 1) / d), floor(reciprocal * (n + 1) /
    // 2^64) is n / d for all n and d below 2^32.
    return static_cast<uint32_t>(
        absl::Uint128High64(absl::uint128(reciprocal_) * (uint64_t{row} + 1)));
  }

  // --- Within a record -------------------------------------------------------

  static uint64_t KeyOf(const std::byte* record) {
    uint64_t key;
    std::memcpy(&key, record, sizeof(key));
    return key;
  }
  static uint32_t TouchedOf(const std::byte* record) {
    uint32_t touched;
    std::memcpy(&touched, record + kTouchedAt, sizeof(touched));
    return touched;
  }
  static void SetHead(uint64_t key, uint32_t touched, std::byte* record) {
    std::memcpy(record, &key, sizeof(key));
    std::memcpy(record + kTouchedAt, &touched, sizeof(touched));
  }
  static void SetTouched(uint32_t touched, std::byte* record) {
    std::memcpy(record + kTouchedAt, &touched, sizeof(touched));
  }
  static const float* WeightsOf(const std::byte* record) {
    return reinterpret_cast<const float*>(record + kWeightsAt);
  }
  static float* WeightsOf(std::byte* record) {
    return reinterpret_cast<float*>(record + kWeightsAt);
  }
  const float* SlotOf(int slot, const std::byte* record) const {
    return WeightsOf(record) + (slot + 1) * width_;
  }
  float* SlotOf(int slot, std::byte* record) const {
    return WeightsOf(record) + (slot + 1) * width_;
  }
  // Up to the end of the weights: what a pull reads.
  size_t weights_end() const { return kWeightsAt + width_ * sizeof(float); }

 private:
  static constexpr size_t kTouchedAt = sizeof(uint64_t);
  static constexpr size_t kWeightsAt = kTouchedAt + sizeof(uint32_t);

  RowLayout(size_t width, int slots, int64_t block_bytes);

  size_t width_;
  int slots_;
  size_t record_bytes_;
  uint32_t rows_per_block_;
  uint64_t reciprocal_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_LAYOUT_H_

#include "server/rows/row_layout.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::server {

static_assert(std::endian::native == std::endian::little,
              "records are used where they lie and stored as they are");

RowLayout::RowLayout(size_t width, int slots, int64_t block_bytes)
    : width_(width),
      slots_(slots),
      record_bytes_(kWeightsAt + width * (slots + 1) * sizeof(float)),
      rows_per_block_(static_cast<uint32_t>(static_cast<size_t>(block_bytes) /
                                            record_bytes_)),
      // One, if no row fits: Make refuses that.
      reciprocal_(std::numeric_limits<uint64_t>::max() /
                  std::max(rows_per_block_, 1u)) {}

absl::StatusOr<RowLayout> RowLayout::Make(absl::string_view table,
                                          int64_t width, int slots,
                                          int64_t block_bytes) {
  if (width < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("table '", table, "': rows are ", width,
                     " floats wide; they must have at least one"));
  }
  // Before anything is multiplied.
  const int64_t room = block_bytes - static_cast<int64_t>(kWeightsAt);
  const int64_t widest =
      std::max<int64_t>(0, room / static_cast<int64_t>(sizeof(float))) /
      (slots + 1);
  if (width > widest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "table '", table, "': rows of ", width, " floats with ", slots,
        " slot(s) of the optimizer do not fit into a block of ", block_bytes,
        " bytes; rows may have at most ", widest, " floats"));
  }
  return RowLayout(static_cast<size_t>(width), slots, block_bytes);
}

}  // namespace ebb::server

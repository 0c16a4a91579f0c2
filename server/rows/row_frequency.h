// How often a row is changed.
#ifndef EBB_SERVER_ROWS_ROW_FREQUENCY_H_
#define EBB_SERVER_ROWS_ROW_FREQUENCY_H_

#include <algorithm>
#include <cstdint>

namespace ebb::server {

// Estimates by how many updates a row was changed since a pull. A history per
// row would say it exactly and take too much memory. This takes four bytes: the
// number of the update that changed the row last, and a decayed count of the
// changes before that one.
//
// Updates are those of a partition, and numbered from 1. The count halves
// whenever a number is a multiple of 64.
class RowFrequency {
 public:
  RowFrequency() = default;
  // A row that `update` makes, or that is loaded after it. Nothing is known of
  // how often the row is changed. Until it is, the row counts as changed by
  // each update, which protects the frequent rows of a new job at once.
  explicit RowFrequency(int64_t update)
      : last_(static_cast<uint32_t>(update) & kLastMask),
        before_(kCountOfOne * (kHalfLife + Phase())) {}

  // `update` changes the row. It is later than the last one.
  void Change(int64_t update) {
    const uint32_t next = static_cast<uint32_t>(update) & kLastMask;
    const uint32_t halvings =
        ((next / kHalfLife) - (last_ / kHalfLife)) & (kLastMask / kHalfLife);
    before_ = halvings > 7 ? 0 : (before_ + kCountOfOne) >> halvings;
    last_ = next;
  }

  // Returns about how many of the last `staleness` updates changed the row,
  // where `updates` is the number of the last one. The result is exactly 0 if
  // none did. Otherwise it is from 1 to `staleness`, and does not fall as the
  // staleness grows.
  //
  // Update numbers wrap around after 2^24: a row that was not changed for so
  // long may count as changed once more.
  int64_t Staleness(int64_t updates, int64_t staleness) const {
    const uint32_t since = (static_cast<uint32_t>(updates) - last_) & kLastMask;
    if (since >= std::min<int64_t>(staleness, kLastMask)) return 0;
    // The last change, and those between the pull and it.
    const uint32_t window =
        static_cast<uint32_t>(std::min<int64_t>(staleness, kLastMask)) - since -
        1;
    const uint32_t seen = kCountOfOne * (kHalfLife + Phase());
    return 1 + (window * before_ + seen / 2) / seen;
  }

 private:
  static constexpr uint32_t kHalfLife = 64;
  static constexpr uint32_t kLastMask = (1u << 24) - 1;
  // The count is in halves, and below 2 x (64 + 64).
  static constexpr uint32_t kCountOfOne = 2;

  // Updates before the last one since the count was halved. A row that each
  // update changes has a count of 64, what is left of earlier ones, and these.
  uint32_t Phase() const { return last_ % kHalfLife; }

  uint32_t last_ : 24 = 0;
  uint32_t before_ : 8 = 0;
};
static_assert(sizeof(RowFrequency) == 4);

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_FREQUENCY_H_

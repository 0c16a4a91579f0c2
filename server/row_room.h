// Memory for the rows that one pull asks for: of all its partitions in one
// piece, which is less to obtain and to send.
#ifndef EBB_SERVER_ROW_ROOM_H_
#define EBB_SERVER_ROW_ROOM_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>

namespace ebb::server {

// Not thread-safe.
class RowRoom {
 public:
  // Size of a piece, and the size that is obtained in advance.
  static constexpr size_t kMostFloats = size_t{1} << 18;

  struct Part {
    std::shared_ptr<const void> owner;
    std::span<float> floats;  // Not initialized.
  };

  // `expected`: floats in all, about; too few or too many do no harm.
  explicit RowRoom(size_t expected) : expected_(expected) {}
  RowRoom(const RowRoom&) = delete;
  RowRoom& operator=(const RowRoom&) = delete;

  Part Take(size_t floats) {
    if (floats > rest_.size()) {
      const size_t size = std::max(floats, std::min(expected_, kMostFloats));
      piece_ = std::make_shared_for_overwrite<float[]>(size);
      rest_ = std::span(piece_.get(), size);
    }
    Part part = {piece_, rest_.first(floats)};
    rest_ = rest_.subspan(floats);
    expected_ -= std::min(expected_, floats);
    return part;
  }

 private:
  size_t expected_;  // Still.
  std::shared_ptr<float[]> piece_;
  std::span<float> rest_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROW_ROOM_H_

// The rows of a gradient that arrived in slices.
#ifndef EBB_SERVER_ROWS_INTERNAL_GRADIENT_ROWS_H_
#define EBB_SERVER_ROWS_INTERNAL_GRADIENT_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "optimizer/gradient.h"

namespace ebb::server::internal {

// Goes through the rows of a gradient in slices. A row is used where it lies,
// or put together from several slices.
class GradientRows {
 public:
  GradientRows(GradientCursor* cursor, size_t rows, size_t width)
      : cursor_(cursor), width_(width), left_(rows * width) {}

  // Ascending rows.
  const std::byte* Row(uint32_t row) {
    const size_t start = row * width_;
    while (run_end() <= start) Next();
    // A run of one float may be valid only until the next.
    if (start + width_ <= run_end() && run_.size() > 1) {
      return run_.bytes() + (start - run_begin_) * sizeof(float);
    }
    auto& joined =
        joined_.emplace_back(std::make_unique_for_overwrite<float[]>(width_));
    for (size_t have = 0; have < width_;) {
      if (run_end() == start + have) Next();
      const size_t from = start + have - run_begin_;
      const size_t take = std::min(width_ - have, run_.size() - from);
      std::memcpy(joined.get() + have, run_.bytes() + from * sizeof(float),
                  take * sizeof(float));
      have += take;
    }
    return reinterpret_cast<const std::byte*>(joined.get());
  }

  // Leaves the cursor behind the last row.
  void Finish() {
    while (left_ > 0) Next();
  }

 private:
  size_t run_end() const { return run_begin_ + run_.size(); }
  void Next() {
    run_begin_ = run_end();
    run_ = cursor_->Next(left_);
    left_ -= run_.size();
  }

  GradientCursor* cursor_;  // Not owned.
  size_t width_;
  size_t left_;  // Floats that were not asked of the cursor yet.
  GradientView run_;
  size_t run_begin_ = 0;
  std::vector<std::unique_ptr<float[]>> joined_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_GRADIENT_ROWS_H_

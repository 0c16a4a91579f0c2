// Walks over a payload in runs of whole units, whatever its slices are: a unit
// that lies in two slices is gathered.
#ifndef EBB_COMMON_FILTERS_INTERNAL_RUNS_H_
#define EBB_COMMON_FILTERS_INTERNAL_RUNS_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "common/payload.h"

namespace ebb::internal {

class Runs {
 public:
  static constexpr size_t kMaxUnit = 1024;

  // `unit` is at most kMaxUnit. The payload outlives the walk.
  Runs(const Payload& payload, size_t unit) : payload_(payload), unit_(unit) {}

  // Returns the next whole units, or at the end of the payload the rest; empty:
  // the end. Valid until the next call.
  std::span<const std::byte> Next() {
    if (slice_ == payload_.slices().size()) return {};
    const auto here = payload_.slices()[slice_].bytes.subspan(offset_);
    const size_t whole = here.size() / unit_ * unit_;
    if (whole > 0) {
      Advance(whole);
      return here.first(whole);
    }
    size_t size = 0;
    while (size < unit_ && slice_ < payload_.slices().size()) {
      const auto part = payload_.slices()[slice_].bytes.subspan(offset_);
      const size_t n = std::min(part.size(), unit_ - size);
      std::memcpy(gathered_ + size, part.data(), n);
      size += n;
      Advance(n);
    }
    return {gathered_, size};
  }

 private:
  // Within the slice. A payload has no empty slice.
  void Advance(size_t n) {
    offset_ += n;
    if (offset_ < payload_.slices()[slice_].bytes.size()) return;
    ++slice_;
    offset_ = 0;
  }

  const Payload& payload_;
  const size_t unit_;
  size_t slice_ = 0;
  size_t offset_ = 0;
  std::byte gathered_[kMaxUnit];
};

}  // namespace ebb::internal

#endif  // EBB_COMMON_FILTERS_INTERNAL_RUNS_H_

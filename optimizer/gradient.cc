#include "optimizer/gradient.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>

namespace ebb {

GradientCursor::GradientCursor(const Payload& payload)
    : payload_(&payload),
      remaining_bytes_(static_cast<size_t>(payload.size())) {
  CHECK_EQ(remaining_bytes_ % sizeof(float), 0u);
}

std::span<const std::byte> GradientCursor::Rest() {
  while (slice_ < payload_->slices().size()) {
    const auto rest = payload_->slices()[slice_].bytes.subspan(offset_);
    if (!rest.empty()) return rest;
    ++slice_;
    offset_ = 0;
  }
  return {};
}

GradientView GradientCursor::Next(size_t limit) {
  limit = std::min(limit, remaining());
  if (limit == 0) return {};
  const auto rest = Rest();
  const size_t whole = std::min(limit, rest.size() / sizeof(float));
  if (whole > 0) {
    offset_ += whole * sizeof(float);
    remaining_bytes_ -= whole * sizeof(float);
    return GradientView::FromBytes(rest.first(whole * sizeof(float)));
  }
  for (size_t have = 0; have < sizeof(float);) {
    const auto part = Rest();
    const size_t take = std::min(sizeof(float) - have, part.size());
    std::memcpy(cut_ + have, part.data(), take);
    offset_ += take;
    have += take;
  }
  remaining_bytes_ -= sizeof(float);
  return GradientView::FromBytes(cut_);
}

}  // namespace ebb

#include "protocol/trained_ranges.h"

#include <algorithm>

namespace ebb {

TrainedRanges::TrainedRanges(const JobPlan& plan,
                             const std::vector<FloatRange>& trained) {
  auto next = trained.begin();
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const auto [first, last] = plan.ParameterRange(PartitionId(p));
    std::vector<FloatRange>& parts = parts_.emplace_back();
    const int64_t begin = floats_;
    while (next != trained.end() && next->first < last) {
      const FloatRange part = {std::max(next->first, first),
                               std::min(next->last, last)};
      if (part.size() > 0) {
        parts.push_back(part);
        all_.push_back(part);
        floats_ += part.size();
      }
      if (next->last > last) break;  // The rest is the next partition's.
      ++next;
    }
    runs_.push_back({begin, floats_});
  }
}

Payload TrainedRanges::TrainedOf(const Payload& values) const {
  constexpr int64_t kBytes = sizeof(float);
  Payload trained;
  for (const FloatRange& part : all_) {
    const Payload of_part =
        values.Sub(part.first * kBytes, part.size() * kBytes);
    for (const Payload::Slice& slice : of_part.slices()) {
      trained.Append(slice.owner, slice.bytes);
    }
  }
  return trained;
}

std::vector<float> TrainedRanges::TrainedOf(
    std::span<const float> values) const {
  std::vector<float> trained;
  trained.reserve(floats_);
  for (const FloatRange& part : all_) {
    const auto of_part = values.subspan(part.first, part.size());
    trained.insert(trained.end(), of_part.begin(), of_part.end());
  }
  return trained;
}

void TrainedRanges::PutTrained(std::span<const float> trained,
                               std::span<float> values) const {
  for (const FloatRange& part : all_) {
    std::ranges::copy(trained.first(part.size()), values.begin() + part.first);
    trained = trained.subspan(part.size());
  }
}

FloatRange PushedRun(const JobPlan& plan, const TrainedRanges* trained,
                     PartitionId partition) {
  if (trained != nullptr) return trained->RunOf(partition);
  const auto [first, last] = plan.ParameterRange(partition);
  return {first, last};
}

}  // namespace ebb

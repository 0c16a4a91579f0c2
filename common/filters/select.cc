#include "common/filters/select.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

namespace ebb {

namespace {

// The magnitude that the k-th largest value has.
float KthLargest(std::span<const float> values, size_t k) {
  std::vector<float> magnitudes(values.size());
  std::ranges::transform(values, magnitudes.begin(),
                         [](float value) { return std::abs(value); });
  const auto kth = magnitudes.begin() + static_cast<ptrdiff_t>(k - 1);
  std::nth_element(magnitudes.begin(), kth, magnitudes.end(), std::greater<>());
  return *kth;
}

}  // namespace

void Select(const Filter& filter, std::span<float> waiting,
            std::span<float> sent) {
  auto above = static_cast<float>(filter.threshold);
  size_t equal = 0;  // Values of just that magnitude that are sent, too.
  if (filter.kind == FilterKind::kTopK && !waiting.empty()) {
    const auto size = static_cast<double>(waiting.size());
    const auto k = std::clamp<size_t>(
        static_cast<size_t>(std::ceil(filter.share * size)), 1, waiting.size());
    above = KthLargest(waiting, k);
    const auto larger = std::ranges::count_if(
        waiting, [&](float value) { return std::abs(value) > above; });
    equal = k - static_cast<size_t>(larger);
  }
  for (size_t i = 0; i < waiting.size(); ++i) {
    const float magnitude = std::abs(waiting[i]);
    bool sends = magnitude > above;
    if (magnitude == above && equal > 0) {
      sends = true;
      --equal;
    }
    sent[i] = sends ? waiting[i] : 0;
    if (sends) waiting[i] = 0;
  }
}

}  // namespace ebb

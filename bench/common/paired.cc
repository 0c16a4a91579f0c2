#include "bench/common/paired.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_format.h"

namespace ebb::bench {

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half]
                                : (values[half - 1] + values[half]) / 2;
}

PairedRatio RatioOf(std::span<const double> ours,
                    std::span<const double> limits) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) {
    ratios.push_back(ours[i] / limits[i]);
  }
  const auto [low, high] = std::ranges::minmax(ratios);
  return {.median = Median(ratios),
          .low = low,
          .high = high,
          .pairs = static_cast<int>(ratios.size())};
}

std::string Bound::ToString() const {
  return absl::StrFormat("%s %g", kind == Kind::kAtLeast ? ">=" : "<=", value);
}

Row MakeRow(std::string what, std::string measure, std::span<const double> ours,
            std::span<const double> limits, std::optional<Bound> bound) {
  return {.what = std::move(what),
          .measure = std::move(measure),
          .limit = Median({limits.begin(), limits.end()}),
          .ours = Median({ours.begin(), ours.end()}),
          .ratio = RatioOf(ours, limits),
          .bound = bound};
}

bool AllHold(std::span<const Row> rows) {
  return std::ranges::all_of(rows, [](const Row& row) { return row.holds(); });
}

}  // namespace ebb::bench

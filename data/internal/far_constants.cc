#include "data/internal/far_constants.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace ebb::data::internal {
namespace {

constexpr size_t kMostColumns = size_t{1} << 16;
// Fewer rows may be mistakes, or outliers.
constexpr int64_t kLeastRowsOfOne = 10;
constexpr int64_t kLeastPercent = 1;

// 99, -999, 9999: few columns have such a value by chance.
bool HasOnlyNines(double value) {
  double size = std::abs(value);
  if (size < 99 || size > 1e15 || size != std::floor(size)) return false;
  for (; size >= 1; size = std::floor(size / 10)) {
    if (std::fmod(size, 10) != 9) return false;
  }
  return true;
}

// Whether `value` is far from the other values, `low` to `high`.
bool IsFar(double value, double low, double high) {
  const double gap = value < low ? low - value : value - high;
  if (!(low < high) || value != std::floor(value) || value == 0) return false;
  if (HasOnlyNines(value)) return gap > high - low;
  return gap > 2 * (high - low) &&
         std::abs(value) >= 10 * std::max(std::abs(low), std::abs(high));
}

}  // namespace

void FarConstants::Grow(size_t column) {
  if (column < kMostColumns) columns_.resize(column + 1);
}

std::vector<FarConstants::Found> FarConstants::Find() const {
  std::vector<Found> found;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Column& one = columns_[c];
    const auto judge = [&](double value, int64_t rows, double low,
                           double high) {
      const bool many = rows >= kLeastRowsOfOne &&
                        rows * 100 >= one.values * kLeastPercent &&
                        one.values - rows >= kLeastRowsOfOne;
      if (!many || !IsFar(value, low, high)) return;
      found.push_back({c, value, rows, one.values,
                       absl::StrCat(value, " in ", rows, " of ", one.values,
                                    " rows, far from its other values, ", low,
                                    " to ", high)});
    };
    judge(one.low.first, one.low.rows, one.low.next, -one.high.first);
    judge(-one.high.first, one.high.rows, one.low.first, -one.high.next);
  }
  return found;
}

}  // namespace ebb::data::internal

#include "data/formats/far_constants.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace ebb::data::internal {
namespace {

constexpr size_t kMostWatchedColumns = size_t{1} << 16;
// Fewer rows may be mistakes, or outliers.
constexpr int64_t kLeastRowsOfOne = 10;
constexpr int64_t kLeastPercent = 1;
constexpr size_t kMostNumbersTold = 5;

bool IsWhole(double value) {
  return std::abs(value) <= 1e15 && value == std::floor(value);
}

// 99, -999, 9999: few columns have such a value by chance.
bool HasOnlyNines(double value) {
  double size = std::abs(value);
  if (size < 99) return false;
  for (; size >= 1; size = std::floor(size / 10)) {
    if (std::fmod(size, 10) != 9) return false;
  }
  return true;
}

// True if `value` is far from the other values, `low` to `high`. Values such as
// 1, 10, 100 and 1000, or 1, 2 and 24, may be the few steps of a scale.
bool IsFar(double value, double low, double high, bool many_distinct) {
  if (!(low < high) || !IsWhole(value) || value == 0) return false;
  const double gap = value < low ? low - value : value - high;
  if (HasOnlyNines(value)) return gap > high - low;
  const double most = std::max(std::abs(low), std::abs(high));
  const bool another_sign = value < 0 ? low >= 0 : high <= 0;
  if (another_sign) {
    return gap > 2 * (high - low) && std::abs(value) >= 10 * most;
  }
  return many_distinct && std::abs(value) >= 100 * most;
}

std::string Shown(double value) {
  return IsWhole(value) ? absl::StrCat(static_cast<int64_t>(value))
                        : absl::StrCat(value);
}

}  // namespace

void FarConstants::Column::AddDistinct(double value) {
  if (std::find(distinct.begin(), distinct.end(), value) == distinct.end()) {
    distinct.push_back(value);
  }
}

void FarConstants::Grow(size_t column) {
  if (column < kMostWatchedColumns) columns_.resize(column + 1);
}

std::vector<FarConstants::Found> FarConstants::Find(int64_t rows) const {
  std::vector<Found> found;
  for (size_t c = 0; c < columns_.size(); ++c) {
    Column one = columns_[c];
    if (one.values == 0) continue;
    if (one.values < rows) {
      one.low.Add(0, "0");
      one.high.Add(0, "0");
      one.AddDistinct(0);
      one.values = rows;
    }
    const bool many_distinct = one.distinct.size() >= kManyDistinct;
    const auto judge = [&](const End& end, double value, double low,
                           double high) {
      const bool many = end.rows >= kLeastRowsOfOne &&
                        end.rows * 100 >= one.values * kLeastPercent &&
                        one.values - end.rows >= kLeastRowsOfOne;
      if (!many || !IsFar(value, low, high, many_distinct)) return;
      found.push_back({c, end.text,
                       absl::StrCat("in ", end.rows, " of ", one.values,
                                    " rows, far from its other values, ",
                                    Shown(low), " to ", Shown(high))});
    };
    judge(one.low, one.low.first, one.low.next, -one.high.first);
    judge(one.high, -one.high.first, one.low.first, -one.high.next);
  }
  return found;
}

std::vector<std::string> FarConstants::Remarks(
    const std::vector<Found>& found,
    const std::function<std::string(size_t column)>& name,
    const std::function<std::string(const std::string& text)>& advice) {
  struct Number {
    const Found* first;
    int64_t columns;
  };
  std::vector<Number> numbers;
  int64_t untold = 0;
  for (const Found& one : found) {
    const auto it = std::find_if(
        numbers.begin(), numbers.end(),
        [&](const Number& number) { return number.first->text == one.text; });
    if (it != numbers.end()) {
      ++it->columns;
    } else if (numbers.size() < kMostNumbersTold) {
      numbers.push_back({&one, 1});
    } else {
      ++untold;
    }
  }
  std::vector<std::string> remarks;
  for (const auto& [first, columns] : numbers) {
    const std::string of_first = name(first->column);
    const std::string what =
        columns == 1
            ? absl::StrCat(of_first, " is ", first->text, " ", first->where)
            : absl::StrCat(columns, " columns have ", first->text,
                           ", the first, ", of_first, ", ", first->where);
    remarks.push_back(absl::StrCat(what, ": if it stands for a missing value, ",
                                   advice(first->text)));
  }
  if (untold > 0) {
    remarks.push_back(absl::StrCat(
        untold, untold == 1 ? " more column has" : " more columns have",
        " other numbers far from their other values"));
  }
  return remarks;
}

}  // namespace ebb::data::internal

// Numbers that may stand for a missing value: one that a column has in many
// rows, far from all its other values, as -999 among ages.
#ifndef EBB_DATA_FORMATS_FAR_CONSTANTS_H_
#define EBB_DATA_FORMATS_FAR_CONSTANTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// Looks at each value once, of the first 65,536 columns. Not thread safe.
class FarConstants {
 public:
  // `value` is the number that the file writes as `text`.
  void Add(size_t column, double value, absl::string_view text) {
    if (column >= columns_.size()) Grow(column);
    if (column >= columns_.size()) return;
    Column& one = columns_[column];
    ++one.values;
    one.low.Add(value, text);
    one.high.Add(-value, text);
    if (one.distinct.size() < kManyDistinct) one.AddDistinct(value);
  }

  struct Found {
    size_t column = 0;
    std::string text;  // The first text in the file.
    // "in 12 of 100 rows, far from its other values, 18 to 83".
    std::string where;
  };
  // The columns that have one, if each has a value in each of its rows.
  std::vector<Found> Find() const { return Find(0); }
  // If there are `rows`, and a column is 0 where it has no value.
  std::vector<Found> FindInSparse(int64_t rows) const { return Find(rows); }

  // A sentence for each number of `found`, not for each column; at most six.
  // `name` names a column, and `advice` says what to do about a number.
  static std::vector<std::string> Remarks(
      const std::vector<Found>& found,
      const std::function<std::string(size_t column)>& name,
      const std::function<std::string(const std::string& text)>& advice);

 private:
  // A column with fewer values has few.
  static constexpr size_t kManyDistinct = 12;

  // The smallest of the values, and the next one.
  struct End {
    double first = std::numeric_limits<double>::infinity();
    double next = std::numeric_limits<double>::infinity();
    int64_t rows = 0;  // With the smallest.
    std::string text;  // Its own, as first seen.
    void Add(double value, absl::string_view as) {
      if (value > first) {
        if (value < next) next = value;
      } else if (value == first) {
        ++rows;
      } else {
        next = first;
        first = value;
        rows = 1;
        text.assign(as.data(), as.size());
      }
    }
  };
  struct Column {
    End low;
    End high;  // Sees the values with the other sign.
    int64_t values = 0;
    std::vector<double> distinct;  // The first ones.
    void AddDistinct(double value);
  };
  void Grow(size_t column);
  std::vector<Found> Find(int64_t rows) const;

  std::vector<Column> columns_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_FAR_CONSTANTS_H_

// Numbers that may stand for a missing value: one that a column has in many
// rows, far from all its other values, as -999 among ages.
#ifndef EBB_DATA_INTERNAL_FAR_CONSTANTS_H_
#define EBB_DATA_INTERNAL_FAR_CONSTANTS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace ebb::data::internal {

// Looks at each value once, of the first 65,536 columns. Not thread safe.
class FarConstants {
 public:
  // `value` is a number as the file has it.
  void Add(size_t column, double value) {
    if (column >= columns_.size()) Grow(column);
    if (column >= columns_.size()) return;
    Column& one = columns_[column];
    ++one.values;
    one.low.Add(value);
    one.high.Add(-value);
  }

  struct Found {
    size_t column = 0;
    double value = 0;
    int64_t rows = 0;    // With this value,
    int64_t values = 0;  // of so many that have one.
    // "-999 in 12 of 100 rows, far from its other values, 18 to 83".
    std::string text;
  };
  std::vector<Found> Find() const;

 private:
  // The smallest of the values, and the next one.
  struct End {
    double first = std::numeric_limits<double>::infinity();
    double next = std::numeric_limits<double>::infinity();
    int64_t rows = 0;  // With the smallest.
    void Add(double value) {
      if (value > first) {
        if (value < next) next = value;
      } else if (value == first) {
        ++rows;
      } else {
        next = first;
        first = value;
        rows = 1;
      }
    }
  };
  struct Column {
    End low;
    End high;  // Sees the values with the other sign.
    int64_t values = 0;
  };
  void Grow(size_t column);

  std::vector<Column> columns_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_FAR_CONSTANTS_H_

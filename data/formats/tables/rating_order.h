// Notices ratings without a header in another order than they are read.
#ifndef EBB_DATA_FORMATS_TABLES_RATING_ORDER_H_
#define EBB_DATA_FORMATS_TABLES_RATING_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// The remedy if this column has the ratings: "If column 1 is the rating, ...".
std::string NameColumns(size_t rating);

// Looks at the first records only, and keeps a bounded number of values. Not
// thread safe.
class RatingOrder {
 public:
  void Add(const std::vector<absl::string_view>& fields) {
    if (records_ < kMostRecords) Look(fields);
  }

  // A sentence if `rating`, the column that is read as the rating, looks like
  // ids, and another column looks like ratings; else empty.
  std::string Remark(size_t rating) const;

 private:
  struct Column {
    bool numbers = true;  // All fields are numbers,
    bool whole = true;    // and whole ones,
    bool halves = true;   // or multiples of a half.
    double least = 0;
    double most = 0;
    absl::flat_hash_set<double> values;  // Up to kMostValues.

    void Add(absl::string_view field, bool first);
    bool LooksLikeIds() const;
    bool LooksLikeRatings() const;
  };
  static constexpr int64_t kMostRecords = 100'000;
  static constexpr size_t kMostValues = 1000;

  void Look(const std::vector<absl::string_view>& fields);

  int64_t records_ = 0;
  std::vector<Column> columns_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_RATING_ORDER_H_

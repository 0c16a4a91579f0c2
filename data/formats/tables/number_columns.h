// Which columns have numbers alone, as the first records of a source say: a
// later file whose first record has words in all of them begins with a header.
#ifndef EBB_DATA_FORMATS_TABLES_NUMBER_COLUMNS_H_
#define EBB_DATA_FORMATS_TABLES_NUMBER_COLUMNS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {

// Looks at the first records only. Not thread safe.
class NumberColumns {
 public:
  explicit NumberColumns(MissingWords missing) : missing_(std::move(missing)) {}

  void Add(const std::vector<absl::string_view>& fields) {
    if (records_ < kMostRecords) Look(fields);
  }
  void Clear() {
    records_ = 0;
    columns_.clear();
  }

  // Returns whether a column has had numbers alone.
  bool Any() const;

  // The columns of numbers in which a record has words, if it has words in all
  // of them and they do not look like mistakes; else none.
  std::vector<size_t> Words(const std::vector<absl::string_view>& fields) const;

 private:
  enum class Kind : char { kOpen, kNumber, kOther };
  static constexpr int64_t kMostRecords = 100;

  Kind KindOf(absl::string_view field) const;
  void Look(const std::vector<absl::string_view>& fields);

  const MissingWords missing_;
  int64_t records_ = 0;
  std::vector<Kind> columns_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_NUMBER_COLUMNS_H_

// Codes such as the zip code 02116 that are read as numbers, and lose their
// zeros.
#ifndef EBB_DATA_FORMATS_TABLES_LEADING_ZEROS_H_
#define EBB_DATA_FORMATS_TABLES_LEADING_ZEROS_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// The fields of a column that begin with 0 and are three digits or more, and
// nothing else. Not thread safe.
class LeadingZeros {
 public:
  void Add(absl::string_view field) {
    // Nearly all numbers end here.
    if (field.size() < kLeastDigits || field.front() != '0') return;
    if (!std::ranges::all_of(field, absl::ascii_isdigit)) return;
    if (fields_++ == 0) first_ = std::string(field);
  }

  int64_t fields() const { return fields_; }
  const std::string& first() const { return first_; }
  // The digits that the number of first() has.
  std::string FirstNumber() const {
    const size_t digit = first_.find_first_not_of('0');
    return digit == first_.npos ? "0" : first_.substr(digit);
  }

 private:
  // Two may be those of a month or an hour.
  static constexpr size_t kLeastDigits = 3;

  int64_t fields_ = 0;
  std::string first_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_LEADING_ZEROS_H_

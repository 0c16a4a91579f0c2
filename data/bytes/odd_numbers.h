// Numbers and dates as people write them, which ebb does not read: 1,234, $1.5
// and 4 Mar 2021.
#ifndef EBB_DATA_BYTES_ODD_NUMBERS_H_
#define EBB_DATA_BYTES_ODD_NUMBERS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ebb::data::internal {

struct OddNumber {
  absl::string_view what;  // "has a percent sign".
  std::string advice;      // "write 2".
};

// Takes numbers with separators between thousands, a decimal comma, a currency
// sign, a percent sign, parentheses or single quotes. It also takes hexadecimal
// ones, several in one field, and dates with a month's name or a year of two
// digits. nullopt: another text, or a number that ebb reads.
std::optional<OddNumber> ParseOddNumber(absl::string_view text);

// Collects those among the texts of one column. Not thread safe.
class OddNumbers {
 public:
  void Add(absl::string_view text);

  // A sentence if half of the texts or more are such numbers; else empty.
  std::string Remark() const;

 private:
  int64_t texts_ = 0;
  int64_t odd_ = 0;
  std::string first_;
  OddNumber as_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_BYTES_ODD_NUMBERS_H_

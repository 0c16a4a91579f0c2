// Finds what the fields of one column have in common, and what it becomes.
#ifndef EBB_DATA_FORMATS_TABLES_COLUMN_SURVEY_H_
#define EBB_DATA_FORMATS_TABLES_COLUMN_SURVEY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/bytes/odd_numbers.h"
#include "data/bytes/text.h"
#include "data/encoding.h"
#include "data/source.h"

namespace ebb::data::internal {

// If fewer than one value in this many is text, the text is a mistake among
// numbers.
inline constexpr int64_t kRareTextOf = 20;

// Bounded in memory, however many values there are. Not thread safe.
class ColumnSurvey {
 public:
  // The role of the column in the options.
  enum class Role { kAny, kCategorical, kDate };

  // `options` outlives it.
  ColumnSurvey(const CsvOptions& options, Role role);

  // False for the first text that is not UTF-8, if it is kept as a value.
  bool Add(absl::string_view field);

  struct Outcome {
    ColumnEncoding encoding;
    std::string remark;  // "has text: …"; empty for numbers.
  };
  // kInvalidArgument: day and month cannot be told apart; the message says what
  // is wrong, not where.
  absl::StatusOr<Outcome> Judge() const;

 private:
  // Returns what Add() returns.
  bool AddDistinct(absl::string_view field);
  void AddDate(absl::string_view field);
  // Returns whether the texts look like mistakes among numbers.
  bool IsDoubtful() const;
  // Returns whether the fields without a date look like mistakes among dates.
  bool AreDoubtfulDates() const;
  // Returns whether nearly every row has a text of its own.
  bool IsIdentifier() const;
  bool AreDates() const {
    return given_ > 0 && dates_ == given_ && (by_day_ || by_month_);
  }
  absl::StatusOr<Outcome> JudgeDates() const;
  // Says that dates with and without a time zone are mixed; empty: they are
  // not.
  std::string ZonesRemark() const;
  Outcome JudgeCategories() const;

  const CsvOptions& options_;
  const Role role_;
  const MissingWords missing_;
  int64_t given_ = 0;    // Fields that are not missing;
  int64_t numbers_ = 0;  // of them, numbers.
  bool any_missing_ = false;
  bool utf8_ = true;  // All values are.
  // The values, until there are more than become features of their own.
  absl::flat_hash_set<std::string> values_;
  bool too_many_ = false;
  // Hashes of the values, and of those that are not numbers, up to a limit.
  absl::flat_hash_set<uint64_t> distinct_;
  absl::flat_hash_set<uint64_t> distinct_texts_;
  OddNumbers odd_;
  int64_t given_when_full_ = 0;  // Fields when distinct_ had its limit.
  int64_t dates_ = 0;
  int64_t dates_with_zone_ = 0;
  // Hashes of the fields that are not dates, up to a limit: beyond it, this is
  // not a column of dates.
  absl::flat_hash_set<uint64_t> distinct_others_;
  // True if all dates are such if the day, or the month, comes first; and
  // whether that makes a difference.
  bool by_day_ = true;
  bool by_month_ = true;
  bool differ_ = false;
  // True if some have day and month at the front, so that others may differ.
  bool day_or_month_first_ = false;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_COLUMN_SURVEY_H_

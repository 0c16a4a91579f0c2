#include "data/formats/tables/column_survey.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/formats/tables/booleans.h"
#include "data/formats/tables/dates.h"
#include "data/keys.h"

namespace ebb::data::internal {
namespace {

using EncodingKind = ColumnEncoding::Kind;

// The most that is remembered of a column.
constexpr size_t kMostDistinct = 1 << 16;
constexpr size_t kMostTexts = 4;
constexpr size_t kLongestValue = 256;  // Longer ones are hashed.

}  // namespace

ColumnSurvey::ColumnSurvey(const CsvOptions& options, Role role)
    : options_(options), role_(role), missing_(options.text.missing_values) {
  if (options.day_first.has_value()) {
    by_day_ = *options.day_first;
    by_month_ = !by_day_;
  }
}

bool ColumnSurvey::Add(absl::string_view field) {
  // An infinity is a number too, though the reader refuses it.
  double value;
  const bool number = ParseNumber(field, &value) && !std::isnan(value);
  if (number ? missing_.Named(field) : missing_.Has(field)) {
    any_missing_ = true;
    return true;
  }
  ++given_;
  numbers_ += number ? 1 : 0;
  const bool good = AddDistinct(field);
  if (!number) {
    if (distinct_texts_.size() < kMostTexts) {
      distinct_texts_.insert(KeyOf(0, field));
    }
    odd_.Add(field);
  }
  if (role_ == Role::kDate ||
      (role_ == Role::kAny && distinct_others_.size() < kMostTexts)) {
    if (number && role_ == Role::kAny) {
      distinct_others_.insert(KeyOf(0, field));
    } else {
      AddDate(field);
    }
  }
  return good;
}

bool ColumnSurvey::AddDistinct(absl::string_view field) {
  bool good = true;
  if (!too_many_ && !values_.contains(field)) {
    too_many_ = static_cast<int64_t>(values_.size()) >= options_.one_hot ||
                field.size() > kLongestValue;
    if (!too_many_) {
      values_.emplace(field);
      good = !utf8_ || IsUtf8Text(field);
      utf8_ = utf8_ && good;
    }
  }
  if (distinct_.size() < kMostDistinct) {
    distinct_.insert(KeyOf(0, field));
    given_when_full_ = given_;
  }
  return good;
}

void ColumnSurvey::AddDate(absl::string_view field) {
  const auto day = ParseMoment(field, DateOrder::kDayFirst);
  const auto month = ParseMoment(field, DateOrder::kMonthFirst);
  if (!day.has_value() && !month.has_value()) {
    if (distinct_others_.size() < kMostTexts) {
      distinct_others_.insert(KeyOf(0, field));
    }
    return;
  }
  ++dates_;
  dates_with_zone_ += (day.has_value() ? *day : *month).has_zone ? 1 : 0;
  by_day_ = by_day_ && day.has_value();
  by_month_ = by_month_ && month.has_value();
  differ_ = differ_ ||
            (day.has_value() && month.has_value() && day->days != month->days);
  day_or_month_first_ = day_or_month_first_ ||
                        !ParseMoment(field, DateOrder::kYearFirst).has_value();
}

// A few typing errors, or a few words that stand for no value, among numbers.
// Codes such as 0, 1, 2, 3+ have few numbers, and numbers of tickets have many
// texts.
bool ColumnSurvey::IsDoubtful() const {
  constexpr size_t kManyNumbers = 20;
  const int64_t texts = given_ - numbers_;
  if (texts * kRareTextOf < given_) return true;
  return numbers_ * 2 > given_ && distinct_texts_.size() < kMostTexts &&
         distinct_.size() - distinct_texts_.size() > kManyNumbers;
}

bool ColumnSurvey::AreDoubtfulDates() const {
  constexpr size_t kManyDates = 20;
  return (by_day_ || by_month_) && distinct_others_.size() < kMostTexts &&
         dates_ * 2 > given_ &&
         distinct_.size() - distinct_others_.size() > kManyDates;
}

bool ColumnSurvey::IsIdentifier() const {
  return static_cast<int64_t>(distinct_.size()) * 10 > given_when_full_ * 9;
}

absl::StatusOr<ColumnSurvey::Outcome> ColumnSurvey::Judge() const {
  if (role_ == Role::kDate) return JudgeDates();
  if (role_ == Role::kCategorical) return JudgeCategories();
  const bool has_text = numbers_ < given_;
  if (!has_text || !options_.categories_by_text) return Outcome{};
  if (AreDates() || AreDoubtfulDates()) return JudgeDates();
  if (IsDoubtful()) return Outcome{};
  Outcome outcome = JudgeCategories();
  const std::string odd = odd_.Remark();
  if (!odd.empty()) absl::StrAppend(&outcome.remark, ". ", odd);
  return outcome;
}

absl::StatusOr<ColumnSurvey::Outcome> ColumnSurvey::JudgeDates() const {
  // 01/01/2021 is the same either way, but later data may have other days.
  if (by_day_ && by_month_ && day_or_month_first_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has dates such as ", differ_ ? "03/04/2021" : "01/01/2021",
        ", which do not tell whether the day or the month comes first; say "
        "day_first: true or false"));
  }
  if (!by_day_ && !by_month_ && !options_.day_first.has_value()) {
    return absl::InvalidArgumentError(
        "has dates of which some have the day first and others the month; "
        "write them as 2021-03-04, or name the column no longer in dates");
  }
  Outcome outcome;
  outcome.encoding.kind =
      options_.date_parts ? EncodingKind::kDateParts : EncodingKind::kDate;
  if (day_or_month_first_) {
    outcome.encoding.order = options_.day_first.value_or(by_day_)
                                 ? DateOrder::kDayFirst
                                 : DateOrder::kMonthFirst;
  }
  outcome.remark = absl::StrCat(
      "has dates: ",
      options_.date_parts ? "year, month, day, day of the week and hour are "
                            "features"
                          : "days since 1970 are the feature",
      ZonesRemark());
  return outcome;
}

std::string ColumnSurvey::ZonesRemark() const {
  const int64_t without = dates_ - dates_with_zone_;
  if (without == 0 || dates_with_zone_ == 0) return "";
  return absl::StrCat(". In ", without, " of ", dates_,
                      without == 1 ? " rows it has" : " rows they have",
                      " no time zone, as in the others, and ",
                      without == 1 ? "counts" : "count",
                      " as UTC; if that is wrong, write the zone");
}

ColumnSurvey::Outcome ColumnSurvey::JudgeCategories() const {
  std::vector<std::string> values(values_.begin(), values_.end());
  std::sort(values.begin(), values.end());
  const bool any_text = numbers_ < given_;
  Outcome outcome;
  ColumnEncoding& encoding = outcome.encoding;
  if (!too_many_ && role_ == Role::kAny) {
    if (const auto words = BooleansOf(values)) {
      encoding.kind = EncodingKind::kBoolean;
      encoding.values = {std::string(words->first), std::string(words->second)};
      outcome.remark = absl::StrCat("has ", words->first, " and ",
                                    words->second, ": 0 and 1 of one feature");
      return outcome;
    }
  }
  if (!too_many_) {
    if (any_missing_) values.insert(values.begin(), "");
    if (values.empty()) values.emplace_back();
    encoding.kind = EncodingKind::kOneHot;
    encoding.values = std::move(values);
    outcome.remark = absl::StrCat(
        any_text ? "has text" : "is of categories",
        ": a feature for each of its ", encoding.values.size(),
        encoding.values.front().empty() ? " values, a missing one among them,"
                                        : " values",
        " and one for any other");
    return outcome;
  }
  if (role_ == Role::kAny && IsIdentifier()) {
    encoding.kind = EncodingKind::kLeftOut;
    outcome.remark =
        "is left out: nearly every row has a text of its own there; to take "
        "it anyway, name it in categorical";
    return outcome;
  }
  encoding.kind = EncodingKind::kHashed;
  encoding.buckets = options_.hash_buckets;
  outcome.remark = absl::StrCat(
      any_text ? "has text of " : "is of categories with ",
      distinct_.size() < kMostDistinct ? "" : "more than ", distinct_.size(),
      " values: they share ", encoding.buckets, " features by their hash");
  return outcome;
}

}  // namespace ebb::data::internal

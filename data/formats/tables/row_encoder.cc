#include "data/formats/tables/row_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "absl/numeric/int128.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "data/formats/tables/dates.h"
#include "data/keys.h"

namespace ebb::data::internal {
namespace {

using EncodingKind = ColumnEncoding::Kind;
using Missing = CsvOptions::Missing;

// Returns the other text of a whole number: pandas writes 1.0 for 1 in a column
// with missing values. Empty: the text is another one, or is written
// with zeros or signs which a number would lose.
std::string OtherTextOf(absl::string_view text) {
  constexpr absl::string_view kFraction = ".0";
  absl::string_view whole = text;
  const bool fraction = absl::ConsumeSuffix(&whole, kFraction);
  int64_t number;
  if (!absl::SimpleAtoi(whole, &number) || absl::StrCat(number) != whole) {
    return "";
  }
  return fraction ? std::string(whole) : absl::StrCat(whole, kFraction);
}

}  // namespace

RowEncoder::RowEncoder(const SourceSpec& spec, const Encoding& encoding,
                       size_t columns)
    : missing_rule_(spec.csv.missing),
      missing_value_(spec.csv.missing_value),
      scale_(spec.scale),
      missing_(spec.csv.text.missing_values),
      encoding_(encoding),
      filled_(columns),
      unknown_(columns),
      rewritten_(columns),
      dates_(columns) {
  if (encoding.columns.empty()) {
    values_.resize(columns);
    return;
  }
  places_.resize(columns);
  other_texts_.resize(columns);
  size_t features = 0;
  for (size_t i = 0; i < columns; ++i) {
    const ColumnEncoding& column = encoding.columns[i];
    first_.push_back(features);
    features += static_cast<size_t>(column.width());
    if (column.kind != EncodingKind::kOneHot) continue;
    for (const std::string& value : column.values) {
      const auto place = static_cast<int64_t>(places_[i].size());
      places_[i].emplace(value, place);
      const std::string other = OtherTextOf(value);
      if (!other.empty()) other_texts_[i].emplace(other, place);
    }
  }
  values_.resize(features);
}

void RowEncoder::Clear() {
  // Numbers alone overwrite all of them.
  if (!first_.empty()) std::fill(values_.begin(), values_.end(), 0.0F);
}

FieldProblem RowEncoder::Add(size_t column, absl::string_view field) {
  if (first_.empty()) return AddNumber(column, field, &values_[column]);
  float* const values = values_.data() + first_[column];
  switch (encoding_.columns[column].kind) {
    case EncodingKind::kNumber:
      return AddNumber(column, field, values);
    case EncodingKind::kBoolean:
      return AddBoolean(column, field, values);
    case EncodingKind::kDate:
    case EncodingKind::kDateParts:
      return AddDate(column, field, values);
    case EncodingKind::kOneHot:
    case EncodingKind::kHashed:
      AddCategory(column, field, values);
      break;
    case EncodingKind::kLeftOut:
      break;
  }
  return {};
}

size_t RowEncoder::ColumnOf(size_t feature) const {
  if (first_.empty()) return feature;
  const auto next = std::upper_bound(first_.begin(), first_.end(), feature);
  return static_cast<size_t>(next - first_.begin()) - 1;
}

void RowEncoder::Set(double number, LostDigits::Kind kind, float* value) {
  if (lost_digits_) {
    lost_digits_->Add(static_cast<size_t>(value - values_.data()), number,
                      kind);
  }
  *value = static_cast<float>(number - OriginOf(value));
}

FieldProblem RowEncoder::AddNumber(size_t column, absl::string_view field,
                                   float* value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  double number;
  if (ParseNumber(field, &number) && std::isfinite(number)) {
    if (missing_.Named(field)) return AddMissing(column, field, scale_, value);
    absl::int128 whole;
    if (lost_digits_ && std::fabs(number) >= LostDigits::kLargeWhole &&
        absl::SimpleAtoi(field, &whole)) {
      lost_digits_->AddLargeWhole(static_cast<size_t>(value - values_.data()),
                                  whole);
    }
    number *= scale_;
    if (std::fabs(number) <= kMost) {
      if (lost_digits_) leading_zeros_[column].Add(field);
      Set(number, LostDigits::Kind::kNumber, value);
      return {};
    }
  } else if (missing_.Has(field)) {
    return AddMissing(column, field, scale_, value);
  }
  const absl::StatusOr<float> parsed = ParseFeature(field, scale_);
  return {
      IsNumber(field) ? FieldProblem::Kind::kOther : FieldProblem::Kind::kText,
      std::string(parsed.status().message())};
}

FieldProblem RowEncoder::AddMissing(size_t column, absl::string_view field,
                                    double scale, float* values) {
  float filler = 0;
  switch (missing_rule_) {
    case Missing::kError:
      return {FieldProblem::Kind::kMissing,
              absl::StrCat("is missing (", Excerpt(field),
                           "); name the column in ignore, or say missing: "
                           "mean, or missing: and a number")};
    case Missing::kConstant:
      filler = static_cast<float>(missing_value_ * scale - OriginOf(values));
      break;
    case Missing::kMean:
      filler = std::numeric_limits<float>::quiet_NaN();
      ++filled_[column];
      break;
    case Missing::kKeep:
      filler = std::numeric_limits<float>::quiet_NaN();
      break;
  }
  const int64_t width = first_.empty() ? 1 : encoding_.columns[column].width();
  std::fill_n(values, width, filler);
  return {};
}

FieldProblem RowEncoder::AddBoolean(size_t column, absl::string_view field,
                                    float* value) {
  const std::vector<std::string>& values = encoding_.columns[column].values;
  if (absl::EqualsIgnoreCase(field, values[1])) {
    *value = 1;
    return {};
  }
  if (absl::EqualsIgnoreCase(field, values[0])) return {};
  if (missing_.Has(field)) return AddMissing(column, field, 1, value);
  if (missing_rule_ == Missing::kMean || missing_rule_ == Missing::kKeep) {
    NoteUnknown(column, field, true);
    *value = std::numeric_limits<float>::quiet_NaN();
    return {};
  }
  return {
      FieldProblem::Kind::kText,
      absl::StrCat(Excerpt(field), " is neither ", Excerpt(values[0]), " nor ",
                   Excerpt(values[1]), ", which the training data has")};
}

FieldProblem RowEncoder::AddDate(size_t column, absl::string_view field,
                                 float* values) {
  if (missing_.Has(field)) return AddMissing(column, field, 1, values);
  const ColumnEncoding& encoding = encoding_.columns[column];
  const std::optional<Moment> moment = ParseMoment(field, encoding.order);
  if (!moment.has_value()) {
    const bool day_first = encoding.order == DateOrder::kDayFirst;
    if (ParseMoment(field,
                    day_first ? DateOrder::kMonthFirst : DateOrder::kDayFirst)
            .has_value()) {
      return {FieldProblem::Kind::kOther,
              absl::StrCat(Excerpt(field),
                           encoding.order == DateOrder::kYearFirst
                               ? " does not begin with the year, as the dates "
                                 "of the training data do; write it as "
                                 "2021-03-04"
                           : day_first
                               ? " is no date where the day comes first; if "
                                 "the month does, say day_first: false"
                               : " is no date where the month comes first; if "
                                 "the day does, say day_first: true")};
    }
    return {FieldProblem::Kind::kDate,
            absl::StrCat(Excerpt(field), " is no date")};
  }
  ++dates_[column].all;
  dates_[column].with_zone += moment->has_zone ? 1 : 0;
  if (encoding.kind == EncodingKind::kDate) {
    Set(moment->days, LostDigits::Kind::kDays, values);
    return {};
  }
  values[0] = static_cast<float>(moment->year);
  values[1] = static_cast<float>(moment->month);
  values[2] = static_cast<float>(moment->day);
  values[3] = static_cast<float>(moment->weekday);
  values[4] = static_cast<float>(moment->hour);
  return {};
}

void RowEncoder::NoteUnknown(size_t column, absl::string_view field,
                             bool becomes_mean) {
  constexpr size_t kMostTexts = 1024;
  Unknown& unknown = unknown_[column];
  if (unknown.fields++ == 0) {
    unknown.first = Excerpt(field);
    unknown.becomes_mean = becomes_mean;
  }
  const uint64_t text = KeyOf(0, field);
  const auto found = unknown.texts.find(text);
  if (found == unknown.texts.end() && unknown.texts.size() == kMostTexts)
    return;
  const int64_t fields = found == unknown.texts.end()
                             ? (unknown.texts[text] = 1)
                             : ++found->second;
  if (fields <= unknown.most_fields) return;
  unknown.most_fields = fields;
  unknown.most = Excerpt(field);
}

void RowEncoder::AddCategory(size_t column, absl::string_view field,
                             float* values) {
  const absl::string_view text = missing_.Has(field) ? "" : field;
  const ColumnEncoding& encoding = encoding_.columns[column];
  if (encoding.kind == EncodingKind::kHashed) {
    values[KeyOf(0, text) % static_cast<uint64_t>(encoding.buckets)] = 1;
    return;
  }
  const auto& places = places_[column];
  const auto found = places.find(text);
  values[found == places.end() ? PlaceOfOther(column, field) : found->second] =
      1;
}

int64_t RowEncoder::PlaceOfOther(size_t column, absl::string_view text) {
  const auto& others = other_texts_[column];
  const auto same = others.find(text);
  if (same == others.end()) {
    NoteUnknown(column, text, false);
    return static_cast<int64_t>(places_[column].size());
  }
  Rewritten& rewritten = rewritten_[column];
  if (rewritten.fields++ == 0) {
    rewritten.first = Excerpt(text);
    rewritten.known = Excerpt(
        encoding_.columns[column].values[static_cast<size_t>(same->second)]);
  }
  return same->second;
}

}  // namespace ebb::data::internal

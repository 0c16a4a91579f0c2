// Click logs as Criteo's: a record is a label, 13 numbers and 26 categories,
// each of which may be empty. Between them is tab, or comma where the first
// line has no tab. A header may name them in any order.
// https://labs.criteo.com/2014/02/kaggle-display-advertising-challenge-dataset
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/keyed_row.h"
#include "data/formats/options.h"
#include "data/formats/tables/record_reader.h"

namespace ebb::data::internal {
namespace {

using Numbers = CriteoOptions::Numbers;

bool BucketsNumbers(const SourceSpec& spec) {
  return spec.criteo.numbers == Numbers::kBucket;
}

// The word for the magnitude of a whole number: "SP" and the number up to 2,
// above it the whole part of the squared natural logarithm. This is how the
// winners of Criteo's challenge did it (Juan, Zhuang and Chin, "3 Idiots'
// Approach", 2014), whose files most results on this data are of. For numbers
// up to kMostWhole no such square is nearer to a whole number than 10^-15 of
// itself, so logarithms that are right to an ulp make the same word everywhere.
constexpr double kMostWhole = 1e11;
std::string MagnitudeWord(double whole) {
  if (whole <= 2) return absl::StrCat("SP", static_cast<int64_t>(whole));
  const double log = std::log(whole);
  return absl::StrCat(static_cast<int64_t>(log * log));
}

std::string GuessClickDelimiter(absl::string_view line) {
  return absl::StrContains(line, '\t') ? "\t" : ",";
}

// The names that published logs use, the likeliest first.
constexpr absl::string_view kLabelNames[] = {
    "label", "click", "clicked", "isclick", "isclicked", "target", "y"};
constexpr std::array<absl::string_view, 5> kNumberNames = {
    "i", "int", "integer", "num", "numeric"};
constexpr std::array<absl::string_view, 4> kCategoryNames = {
    "c", "cat", "category", "categorical"};

class CriteoReader : public RecordReader {
 public:
  CriteoReader(const SourceSpec& spec, Input file)
      : RecordReader(spec, std::move(file), spec.criteo.text,
                     GuessClickDelimiter),
        numeric_(static_cast<size_t>(spec.criteo.numeric)),
        width_(numeric_ + static_cast<size_t>(spec.criteo.categories)),
        ignored_(spec.criteo.ignore.size()),
        missing_(spec.criteo.text.missing_values) {}

  int64_t features() const override { return static_cast<int64_t>(width_); }

 private:
  absl::StatusOr<bool> TakeHeader(const Fields& fields) override;
  absl::Status CheckWidth(const Fields& fields) const override;
  absl::Status Take(const Fields& fields, Example* example) override;

  bool IsHeader(const Fields& fields) const;
  // The column of each field by names such as I1 and C1; nothing where one of
  // them is not there.
  std::optional<std::vector<size_t>> NumberedColumns(
      const Columns& columns) const;
  // The same by the names of the training data.
  absl::StatusOr<std::vector<size_t>> TrainingColumns(
      const Columns& columns) const;
  // The column of the label among those that `used` does not hold.
  absl::StatusOr<size_t> LabelColumn(const Columns& columns,
                                     const std::set<size_t>& used) const;
  absl::Status AddNumber(size_t field, absl::string_view text);
  void AddWord(size_t field, absl::string_view word) {
    row_.Add(static_cast<Field>(field), KeyOf(static_cast<Field>(field), word),
             1);
  }

  const size_t numeric_;
  const size_t width_;  // Without the label.
  const size_t ignored_;
  const MissingWords missing_;
  bool labelled_ = true;         // There is a column of the label.
  size_t label_ = 0;             // Its number.
  std::vector<size_t> columns_;  // The column of each field.
  KeyedRow row_;
};

// Data to predict from may lack the column of the label.
absl::Status CriteoReader::CheckWidth(const Fields& fields) const {
  const size_t width = width_ + ignored_;
  const bool least = fields.size() == width && !spec().has_labels;
  if (fields.size() == width + 1 || least) return absl::OkStatus();
  const std::string ignored =
      ignored_ == 0 ? "" : absl::StrCat(", and ", ignored_, " to ignore");
  return Bad(
      "the line has ", fields.size(), fields.size() == 1 ? " field" : " fields",
      " between ", DelimiterName(), " instead of ", width + 1, ": a label, ",
      numeric_, " numbers and ", width_ - numeric_, " categories", ignored,
      "; if the log has others, say so by numeric and categories");
}

bool CriteoReader::IsHeader(const Fields& fields) const {
  const CriteoOptions& criteo = spec().criteo;
  if (IsName(criteo.label) ||
      std::any_of(criteo.ignore.begin(), criteo.ignore.end(), IsName) ||
      NamesTraining(fields)) {
    return true;
  }
  const bool labelled = fields.size() == width_ + ignored_ + 1;
  return (labelled || numeric_ > 0) && !fields[0].empty() &&
         !IsNumber(fields[0]);
}

absl::StatusOr<bool> CriteoReader::TakeHeader(const Fields& fields) {
  const bool header = IsHeader(fields);
  const Columns columns = ColumnsOf(fields, header);
  labelled_ = fields.size() == width_ + ignored_ + 1;
  const bool by_name = header && spec().like.has_value();
  std::set<size_t> used;
  for (const std::string& column : spec().criteo.ignore) {
    if (by_name) break;  // The columns that are left over are ignored.
    EBB_ASSIGN_OR_RETURN(const size_t ignored, columns.Resolve(column));
    if (!used.insert(ignored).second) {
      return Bad(columns.Describe(ignored), " is ignored twice");
    }
  }
  std::optional<std::vector<size_t>> known = NumberedColumns(columns);
  if (by_name) {
    EBB_ASSIGN_OR_RETURN(known, TrainingColumns(columns));
  }
  if (known.has_value()) {
    columns_ = *known;
    used.insert(columns_.begin(), columns_.end());
  }
  if (labelled_ && (!by_name || spec().has_labels)) {
    EBB_ASSIGN_OR_RETURN(label_, LabelColumn(columns, used));
    used.insert(label_);
  }
  std::vector<size_t> usual;  // Without a header.
  for (size_t i = labelled_ ? 1 : 0; usual.size() < width_; ++i) {
    usual.push_back(i);
  }
  for (size_t i = 0; !known.has_value() && i < fields.size(); ++i) {
    if (!used.contains(i)) columns_.push_back(i);
  }
  if (columns_.size() != width_) {
    return Bad("of ", fields.size(), " columns ", columns_.size(),
               " are left beside the label and those to ignore, but numeric "
               "and categories say ",
               width_);
  }
  if (header) {
    if (spec().has_labels) usual.push_back(0);
    KeepHeader(columns, columns_, spec().has_labels ? label_ : Columns::kNone,
               usual);
  }
  return header;
}

absl::StatusOr<std::vector<size_t>> CriteoReader::TrainingColumns(
    const Columns& columns) const {
  const ColumnFinder finder(columns);
  std::vector<size_t> found;
  for (const std::string& name : spec().like->features) {
    EBB_ASSIGN_OR_RETURN(const size_t column, finder.Find(name, "a feature"));
    found.push_back(column);
  }
  return found;
}

std::optional<std::vector<size_t>> CriteoReader::NumberedColumns(
    const Columns& columns) const {
  std::vector<size_t> found;
  const auto add = [&](const auto& known, size_t number) {
    std::vector<std::string> names;
    for (const absl::string_view name : known) {
      names.push_back(absl::StrCat(name, number));
    }
    const std::vector<absl::string_view> views(names.begin(), names.end());
    const auto column = columns.Find(views);
    if (column.has_value()) found.push_back(*column);
    return column.has_value();
  };
  if (!columns.named()) return std::nullopt;
  for (size_t i = 1; i <= numeric_; ++i) {
    if (!add(kNumberNames, i)) return std::nullopt;
  }
  for (size_t i = 1; i <= width_ - numeric_; ++i) {
    if (!add(kCategoryNames, i)) return std::nullopt;
  }
  return found;
}

absl::StatusOr<size_t> CriteoReader::LabelColumn(
    const Columns& columns, const std::set<size_t>& used) const {
  const std::optional<ColumnNames>& like = spec().like;
  std::string named = spec().criteo.label;
  if (columns.named() && like.has_value() && !like->label.empty() &&
      !IsName(named)) {
    named = like->label;
  }
  if (!named.empty()) {
    EBB_ASSIGN_OR_RETURN(const size_t label, columns.Resolve(named));
    if (!used.contains(label)) return label;
    return Bad("the label, ", columns.Describe(label),
               ", is also a feature or ignored");
  }
  if (columns.named()) {
    const auto known = columns.Find(kLabelNames);
    if (known.has_value() && !used.contains(*known)) return *known;
  }
  size_t first = 0;
  while (used.contains(first)) ++first;
  if (!columns.named() || used.size() >= width_) return first;
  return Bad("none of the columns ", columns.Listed(),
             " has a usual name of the label; name its column by label:");
}

absl::Status CriteoReader::Take(const Fields& fields, Example* example) {
  if (labelled_ != (fields.size() == width_ + ignored_ + 1)) {
    return Bad("the line has ", fields.size(),
               " fields, but the first one another number");
  }
  float label = 0;
  if (spec().has_labels) {
    EBB_ASSIGN_OR_RETURN(label, Label(fields[label_]));
  }
  row_.Clear();
  for (size_t field = 0; field < width_; ++field) {
    const absl::string_view text = fields[columns_[field]];
    if (field >= numeric_) {
      AddWord(field, missing_.Named(text) ? "" : text);
    } else {
      EBB_RETURN_IF_ERROR(AddNumber(field, text));
    }
  }
  *example = row_.AsExample(label);
  return absl::OkStatus();
}

absl::Status CriteoReader::AddNumber(size_t field, absl::string_view text) {
  const bool bucket = BucketsNumbers(spec());
  if (missing_.Has(text)) {  // No magnitude is one, too; no value is none.
    if (bucket) AddWord(field, "");
    return absl::OkStatus();
  }
  const absl::StatusOr<float> value = ParseFeature(text, spec().scale);
  if (!value.ok()) {
    return Bad("number ", field + 1, ": ", value.status().message());
  }
  if (!bucket) {
    row_.Add(static_cast<Field>(field), KeyOf(static_cast<Field>(field), ""),
             *value);
    return absl::OkStatus();
  }
  double number = 0;
  ParseNumber(text, &number);  // It is one.
  if (std::trunc(number) != number || std::fabs(number) > kMostWhole) {
    return Bad("number ", field + 1, ": ", Excerpt(text),
               " is not a whole number of at most 10^11; with numbers: value "
               "numbers are taken as they are");
  }
  AddWord(field, MagnitudeWord(number));
  return absl::OkStatus();
}

absl::Status ValidateCriteo(const SourceSpec& spec) {
  EBB_RETURN_IF_ERROR(ValidateText(spec.criteo.text));
  const int64_t numeric = spec.criteo.numeric;
  const int64_t categories = spec.criteo.categories;
  if (numeric < 0 || categories < 0 || numeric > kMaxFields ||
      categories > kMaxFields - numeric || numeric + categories == 0) {
    return WrongOption(
        "a click log of ", numeric, " numbers and ", categories,
        " categories is not possible; beside the label there must be "
        "between 1 and ",
        kMaxFields, " columns");
  }
  return absl::OkStatus();
}

std::string MeaningOfCriteo(const SourceSpec& spec, absl::string_view common) {
  const CriteoOptions& criteo = spec.criteo;
  std::string meaning =
      absl::StrCat("criteo", common, " numeric=", criteo.numeric,
                   " categories=", criteo.categories,
                   " numbers=", BucketsNumbers(spec) ? "bucket" : "value");
  AppendNamed("delimiter", criteo.text.delimiter.value_or(""), &meaning);
  AppendNamed("label", criteo.label, &meaning);
  AppendList("ignore", criteo.ignore, &meaning);
  return absl::StrCat(meaning, MeaningOf(criteo.text, false),
                      MeaningOf(spec.like));
}

}  // namespace

Format CriteoFormat() {
  return {.kind = SourceKind::kCriteo,
          .word = "criteo",
          .layout = Always<Layout::kKeyed>,
          .hashes_words = true,
          .only_words = BucketsNumbers,
          .validate = ValidateCriteo,
          .meaning = MeaningOfCriteo,
          .open = Open<CriteoReader>};
}

}  // namespace ebb::data::internal

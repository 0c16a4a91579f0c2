#include "data/formats/tables/table_schema.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

using HeaderMode = CsvOptions::Header;

// Several mistakes of one header, a line each: a person mends them in one go.
class Mistakes {
 public:
  void Add(const absl::Status& status) {
    if (!full()) lines_.emplace_back(status.message());
  }
  bool full() const { return lines_.size() >= kMost; }
  absl::Status Status() const {
    if (lines_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }

 private:
  static constexpr size_t kMost = 10;
  std::vector<std::string> lines_;
};

class SchemaReader {
 public:
  SchemaReader(const SourceSpec& spec, const Encoding& encoding,
               DelimitedRecords* records)
      : spec_(spec), encoding_(encoding), records_(*records) {}

  absl::StatusOr<TableSchema> Read();

 private:
  using Fields = std::vector<absl::string_view>;

  absl::Status Bad(const auto&... what) const {
    return schema_.columns.Bad(what...);
  }
  // Returns whether the options call a column by a name.
  bool NamesColumns() const;
  bool Ignores(size_t column) const;
  absl::StatusOr<bool> FirstIsHeader();
  // The same where the training data is known: whether a field is the name of
  // one of its columns. Nothing: its names are not known.
  std::optional<bool> NamesTraining() const;
  // True if the first line, of one field, has another delimiter in it, and the
  // commas of the `next` one are those of numbers.
  bool DelimitedOtherwise(const std::vector<std::string>& next) const;
  // Settles what each column is: by the options, or by the names of the
  // training data.
  absl::Status TakeColumns();
  absl::Status TakeColumnsLike(const ColumnNames& training);
  bool IsLeftOut(size_t feature) const {
    return feature < encoding_.columns.size() &&
           encoding_.columns[feature].kind == ColumnEncoding::Kind::kLeftOut;
  }

  const SourceSpec& spec_;
  const Encoding& encoding_;
  DelimitedRecords& records_;
  TableSchema schema_;
};

absl::StatusOr<TableSchema> SchemaReader::Read() {
  EBB_ASSIGN_OR_RETURN(const bool any, records_.Next());
  if (!any) {
    return absl::InvalidArgumentError(
        absl::StrCat(records_.file().name(),
                     ": is empty; a line for each example is needed"));
  }
  EBB_RETURN_IF_ERROR(records_.status());
  records_.Settle();
  const size_t width = records_.fields().size();
  schema_.columns = Columns(records_.Where(), width, {});
  EBB_ASSIGN_OR_RETURN(schema_.header, FirstIsHeader());
  if (schema_.header) {
    std::vector<std::string> names;
    for (const absl::string_view name : records_.fields()) {
      names.emplace_back(name);
    }
    schema_.columns = Columns(records_.Where(), width, std::move(names));
    records_.SkipRepeated(spec_.csv.header == HeaderMode::kAuto &&
                          !NamesColumns());
  }
  const bool by_name = schema_.header && spec_.like.has_value();
  EBB_RETURN_IF_ERROR(by_name ? TakeColumnsLike(*spec_.like) : TakeColumns());
  const size_t expected = encoding_.columns.size();
  if (expected == 0 || expected == schema_.features.size()) {
    return std::move(schema_);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(records_.file().name(), " has ", schema_.features.size(),
                   " features, but the training data has ", expected));
}

bool SchemaReader::NamesColumns() const {
  const CsvOptions& csv = spec_.csv;
  const auto any = [](const std::vector<std::string>& columns) {
    return std::any_of(columns.begin(), columns.end(), IsName);
  };
  return (spec_.has_labels && IsName(csv.label)) || any(csv.ignore) ||
         any(csv.categorical) || any(csv.dates);
}

bool SchemaReader::Ignores(size_t column) const {
  const std::vector<std::string>& ignore = spec_.csv.ignore;
  return std::find(ignore.begin(), ignore.end(), absl::StrCat(column + 1)) !=
         ignore.end();
}

// A line without a number is a header, for tables of text alone are rare, and
// one with words and numbers may be either. But where no word has a number
// below it, a line of which the second line repeats a word is an example; so is
// one without numbers that has a word twice.
std::optional<bool> SchemaReader::NamesTraining() const {
  if (!spec_.like.has_value()) return std::nullopt;
  const std::vector<std::string>& names = spec_.like->features;
  const std::set<absl::string_view> known(names.begin(), names.end());
  const Fields& fields = records_.fields();
  return std::any_of(fields.begin(), fields.end(),
                     [&](absl::string_view field) {
                       return IsName(field) && known.contains(field);
                     });
}

absl::StatusOr<bool> SchemaReader::FirstIsHeader() {
  if (spec_.csv.header == HeaderMode::kNo) records_.ExpectNoHeaders();
  if (spec_.csv.header != HeaderMode::kAuto) {
    return spec_.csv.header == HeaderMode::kYes;
  }
  if (NamesColumns()) return true;
  const MissingWords missing(spec_.csv.text.missing_values);
  const auto kind_of = [&](absl::string_view field) {
    return missing.Has(field) ? '-' : IsNumber(field) ? '1' : 'a';
  };
  const Fields& first = records_.fields();
  std::string number;  // The first of each, as a message names it.
  std::string word;
  std::vector<std::pair<size_t, std::string>> words;
  std::set<std::string> texts;
  for (size_t i = 0; i < first.size(); ++i) {
    const char kind = kind_of(first[i]);
    if (Ignores(i) || kind == '-') continue;
    std::string& one = kind == '1' ? number : word;
    if (one.empty()) {
      one = absl::StrCat(Excerpt(first[i]), " in column ", i + 1);
    }
    if (kind == '1') continue;
    words.emplace_back(i, std::string(first[i]));
    texts.insert(words.back().second);
  }
  if (word.empty()) return false;
  const bool twice = texts.size() < words.size();
  const std::vector<std::string>* second = records_.Peek();
  if (second != nullptr && second->size() == schema_.columns.width()) {
    const bool repeated = std::any_of(
        words.begin(), words.end(),
        [&](const auto& one) { return (*second)[one.first] == one.second; });
    const bool number_below = std::any_of(
        words.begin(), words.end(),
        [&](const auto& one) { return kind_of((*second)[one.first]) == '1'; });
    const bool like_second = repeated || (number.empty() && twice);
    if (like_second && !number_below) return false;
  }
  if (number.empty()) return true;
  const std::optional<bool> named = NamesTraining();
  if (named.has_value()) return *named;
  return Bad("the first line has words (", word, ") and numbers (", number,
             "); say header: true or header: false");
}

bool SchemaReader::DelimitedOtherwise(
    const std::vector<std::string>& next) const {
  const absl::string_view first = records_.fields().front();
  const std::string second = absl::StrJoin(next, ",");
  for (const char c : {'\t', ';', '|'}) {
    const auto count = std::count(first.begin(), first.end(), c);
    if (count > 1) return true;
    if (count == 1 && std::count(second.begin(), second.end(), c) == 1) {
      return true;
    }
  }
  return false;
}

absl::Status SchemaReader::TakeColumns() {
  const size_t width = schema_.columns.width();
  std::vector<bool> used(width, true);
  Mistakes mistakes;
  if (spec_.has_labels) {
    schema_.label = width - 1;
    if (!spec_.csv.label.empty()) {
      const auto index = schema_.columns.Resolve(spec_.csv.label);
      if (index.ok()) {
        schema_.label = *index;
      } else {
        mistakes.Add(index.status());
      }
    }
  }
  for (const std::string& column : spec_.csv.ignore) {
    if (mistakes.full()) break;
    const auto index = schema_.columns.Resolve(column);
    if (index.ok()) {
      used[*index] = false;
    } else {
      mistakes.Add(index.status());
    }
  }
  EBB_RETURN_IF_ERROR(mistakes.Status());
  if (spec_.has_labels) {
    if (!used[schema_.label]) {
      return Bad("the label, ", schema_.columns.Describe(schema_.label),
                 ", is also ignored");
    }
    used[schema_.label] = false;
  }
  for (size_t i = 0; i < width; ++i) {
    if (used[i]) schema_.features.push_back(i);
  }
  if (!schema_.features.empty()) return absl::OkStatus();
  if (width == 1) {
    const std::vector<std::string>* const next = records_.Peek();
    if (next != nullptr && next->size() > 1 && !DelimitedOtherwise(*next)) {
      return Bad("the line has no ", records_.DelimiterName(),
                 ", but the next one has ", next->size(),
                 " fields; if it is a title, remove it");
    }
    const std::string other = records_.OtherDelimiter();
    if (!other.empty()) return Bad(other);
    const bool parquet =
        absl::EndsWithIgnoreCase(records_.file().path(), ".parquet");
    return Bad("the line has one column, the label, and no feature; is ",
               parquet ? "the file a Parquet file, as its name says?"
                       : absl::StrCat(records_.DelimiterName(),
                                      " the right delimiter?"));
  }
  return Bad("of ", width,
             " columns none is left as a feature: all are the "
             "label or ignored");
}

absl::Status SchemaReader::TakeColumnsLike(const ColumnNames& training) {
  const ColumnFinder finder(schema_.columns);
  Mistakes mistakes;
  if (spec_.has_labels) {
    int64_t number;
    const std::string& named = spec_.csv.label;
    const bool place = named.empty() ||
                       (!finder.Has(named) && absl::SimpleAtoi(named, &number));
    const auto label = finder.Find(place ? training.label : named, "the label");
    if (label.ok()) {
      schema_.label = *label;
    } else {
      mistakes.Add(label.status());
    }
  }
  for (size_t i = 0; i < training.features.size() && !mistakes.full(); ++i) {
    if (IsLeftOut(i)) {
      schema_.features.push_back(Columns::kNone);
      continue;
    }
    const auto column = finder.Find(training.features[i], "a feature");
    if (!column.ok()) {
      mistakes.Add(column.status());
    } else if (*column == schema_.label) {
      mistakes.Add(Bad("the label, ", schema_.columns.Describe(*column),
                       ", is a feature of the training data"));
    } else {
      schema_.features.push_back(*column);
    }
  }
  return mistakes.Status();
}

}  // namespace

absl::StatusOr<TableSchema> TableSchema::Read(const SourceSpec& spec,
                                              const Encoding& encoding,
                                              DelimitedRecords* records) {
  return SchemaReader(spec, encoding, records).Read();
}

DelimitedRecords OpenTable(const SourceSpec& spec, Input file) {
  return {std::move(file),
          [delimiter = Delimiter(spec.csv, spec.path)](absl::string_view) {
            return delimiter;
          },
          spec.csv.text};
}

}  // namespace ebb::data::internal

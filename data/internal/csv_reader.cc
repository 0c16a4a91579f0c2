// CSV as RFC 4180 has it, but a quoted field ends on its line.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/internal/bad_examples.h"
#include "data/internal/readers.h"
#include "data/internal/text.h"

namespace ebb::data::internal {
namespace {

using Header = CsvOptions::Header;
using Missing = CsvOptions::Missing;

// How other programs write that there is no value.
bool IsMissing(absl::string_view field) {
  if (field.empty()) return true;
  if (field[0] != '?' && field[0] != 'N' && field[0] != 'n') return false;
  constexpr std::array<absl::string_view, 8> kWords = {
      "?", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL"};
  return std::find(kWords.begin(), kWords.end(), field) != kWords.end();
}

// Of a whole line.
constexpr size_t kNoColumn = std::numeric_limits<size_t>::max();

// What is wrong in one file, a line each: enough for a person to mend it in one
// go. A column that is wrong everywhere does not hide the others.
class Problems {
 public:
  // Of a field in `column`.
  void Add(size_t column, const absl::Status& status) {
    if (++in_column_[column] <= kMostInColumn) {
      Add(status);
    } else {
      ++unnamed_;
    }
  }
  void Add(const absl::Status& status) {
    named_.emplace_back(status.message());
  }
  bool empty() const { return named_.empty(); }
  bool full() const { return named_.size() >= kMostNamed; }

  // OK where there are none.
  absl::Status Status(absl::string_view path) const {
    if (named_.empty()) return absl::OkStatus();
    std::string lines = absl::StrJoin(named_, "\n");
    if (unnamed_ > 0) {
      absl::StrAppend(&lines, "\n", path, ": ", unnamed_,
                      " more of the same columns");
    }
    return absl::InvalidArgumentError(lines);
  }

 private:
  static constexpr size_t kMostNamed = 10;
  static constexpr int64_t kMostInColumn = 3;
  std::vector<std::string> named_;
  std::map<size_t, int64_t> in_column_;
  int64_t unnamed_ = 0;
};

class CsvReader : public Reader {
 public:
  CsvReader(const SourceSpec& spec, Input file)
      : spec_(spec),
        delimiter_(Delimiter(spec.csv, spec.path)),
        file_(std::move(file)),
        bad_(spec.on_bad_example) {}

  // Reads the first line and settles what each column is. Called once, before
  // anything else.
  absl::Status Start();

  absl::StatusOr<bool> Next(Example* example) override;

  Layout layout() const override { return Layout::kDense; }
  int64_t features() const override {
    return static_cast<int64_t>(features_.size());
  }
  std::optional<ColumnNames> Names() const override;
  std::string Where() const override {
    return absl::StrCat(file_.path(), ":", file_.line_number());
  }
  LeftOut left_out() const override { return bad_.left_out(); }
  std::vector<FileFingerprint> Fingerprints() const override {
    return file_.Fingerprints();
  }

 private:
  template <typename... Args>
  absl::Status Bad(const Args&... args) const {
    return absl::InvalidArgumentError(absl::StrCat(Where(), ": ", args...));
  }

  // Reads the next line that is not empty; false: there is none.
  absl::StatusOr<bool> ReadLine(absl::string_view* line);
  absl::Status Split(absl::string_view line);
  // Takes the field that `*rest` begins with, without its delimiter.
  absl::Status TakeQuoted(absl::string_view* rest);
  absl::StatusOr<bool> FirstLineIsHeader() const;
  // Settles what each column is: by the options, or by the names of the
  // training data.
  absl::Status TakeColumns();
  absl::Status TakeColumnsLike(const ColumnNames& training);
  // Sets values_ to what fields_ says; the label.
  float Take(Problems* problems);
  // The index of the column that an option names.
  absl::StatusOr<size_t> Resolve(const std::string& column) const;
  absl::StatusOr<float> Feature(size_t column) const;
  // The columns of the header, as many as a message bears.
  std::string Listed() const;
  // "column 3 ('petal length')".
  std::string Describe(size_t column) const;

  const SourceSpec spec_;
  const char delimiter_;
  Input file_;
  BadExamples bad_;
  std::vector<std::string> names_;  // Empty without a header.
  size_t width_ = 0;                // In columns.
  std::vector<size_t> features_;    // Their columns.
  size_t label_ = 0;                // Its column.
  // The fields of the current line: views of file_'s buffer or unescaped_.
  std::vector<absl::string_view> fields_;
  std::string unescaped_;
  bool pending_ = false;  // fields_ is an example not given out yet.
  std::vector<float> values_;
};

absl::Status CsvReader::Start() {
  absl::string_view line;
  EBB_ASSIGN_OR_RETURN(const bool any, ReadLine(&line));
  if (!any) {
    return absl::InvalidArgumentError(absl::StrCat(
        file_.path(), ": is empty; a line for each example is needed"));
  }
  EBB_RETURN_IF_ERROR(Split(line));
  width_ = fields_.size();
  EBB_ASSIGN_OR_RETURN(const bool header, FirstLineIsHeader());
  pending_ = !header;
  if (header) {
    for (const absl::string_view name : fields_) names_.emplace_back(name);
  }
  const bool by_name = header && spec_.csv.like.has_value();
  EBB_RETURN_IF_ERROR(by_name ? TakeColumnsLike(*spec_.csv.like)
                              : TakeColumns());
  values_.resize(features_.size());
  return absl::OkStatus();
}

absl::Status CsvReader::TakeColumns() {
  std::vector<bool> used(width_, true);
  Problems problems;
  if (spec_.has_labels) {
    label_ = width_ - 1;
    if (!spec_.csv.label.empty()) {
      const auto index = Resolve(spec_.csv.label);
      if (index.ok()) {
        label_ = *index;
      } else {
        problems.Add(index.status());
      }
    }
  }
  for (const std::string& column : spec_.csv.ignore) {
    if (problems.full()) break;
    const auto index = Resolve(column);
    if (index.ok()) {
      used[*index] = false;
    } else {
      problems.Add(index.status());
    }
  }
  EBB_RETURN_IF_ERROR(problems.Status(file_.path()));
  if (spec_.has_labels) {
    if (!used[label_]) {
      return Bad("the label, ", Describe(label_), ", is also ignored");
    }
    used[label_] = false;
  }
  for (size_t i = 0; i < width_; ++i) {
    if (used[i]) features_.push_back(i);
  }
  if (features_.empty()) {
    return Bad("of ", width_, " columns none is left as a feature; is ",
               Excerpt(absl::string_view(&delimiter_, 1)),
               " the right delimiter?");
  }
  return absl::OkStatus();
}

absl::Status CsvReader::TakeColumnsLike(const ColumnNames& training) {
  std::map<absl::string_view, std::vector<size_t>> places;
  for (size_t i = 0; i < width_; ++i) places[names_[i]].push_back(i);
  const auto find = [&](const std::string& name,
                        absl::string_view what) -> absl::StatusOr<size_t> {
    const auto found = places.find(name);
    if (found == places.end()) {
      return Bad("there is no column ", Excerpt(name), ", which is ", what,
                 " of the training data, among ", Listed());
    }
    if (found->second.size() > 1) {
      return Bad("column ", Excerpt(name), " is in the header twice; ", what,
                 " of the training data has this name");
    }
    return found->second.front();
  };
  Problems problems;
  if (spec_.has_labels) {
    int64_t number;
    const std::string& named = spec_.csv.label;
    const bool place = named.empty() || (!places.contains(named) &&
                                         absl::SimpleAtoi(named, &number));
    const auto label = find(place ? training.label : named, "the label");
    if (label.ok()) {
      label_ = *label;
    } else {
      label_ = width_;  // No feature's column.
      problems.Add(label.status());
    }
  }
  for (const std::string& name : training.features) {
    if (problems.full()) break;
    const auto column = find(name, "a feature");
    if (!column.ok()) {
      problems.Add(column.status());
    } else if (spec_.has_labels && *column == label_) {
      problems.Add(Bad("the label, ", Describe(*column),
                       ", is a feature of the training data"));
    } else {
      features_.push_back(*column);
    }
  }
  return problems.Status(file_.path());
}

std::optional<ColumnNames> CsvReader::Names() const {
  if (names_.empty()) return std::nullopt;
  ColumnNames names;
  std::set<absl::string_view> seen;
  int64_t bytes = 0;
  for (const size_t column : features_) {
    names.features.push_back(names_[column]);
    bytes += static_cast<int64_t>(names_[column].size());
    if (!seen.insert(names_[column]).second) return std::nullopt;
  }
  if (spec_.has_labels) names.label = names_[label_];
  bytes += static_cast<int64_t>(names.label.size());
  if (bytes > kMaxNameBytes) return std::nullopt;
  return names;
}

absl::StatusOr<bool> CsvReader::FirstLineIsHeader() const {
  if (spec_.csv.header != Header::kAuto) {
    return spec_.csv.header == Header::kYes;
  }
  const auto is_name = [](const std::string& column) {
    return !column.empty() && !IsNumber(column);
  };
  const std::vector<std::string>& ignore = spec_.csv.ignore;
  if ((spec_.has_labels && is_name(spec_.csv.label)) ||
      std::any_of(ignore.begin(), ignore.end(), is_name)) {
    return true;
  }
  std::string word;  // The first one, as the message names it.
  std::string number;
  for (size_t i = 0; i < fields_.size(); ++i) {
    const bool ignored = std::find(ignore.begin(), ignore.end(),
                                   absl::StrCat(i + 1)) != ignore.end();
    if (ignored || IsMissing(fields_[i])) continue;
    std::string& first = IsNumber(fields_[i]) ? number : word;
    if (!first.empty()) continue;
    first = absl::StrCat(Excerpt(fields_[i]), " in column ", i + 1);
  }
  if (!word.empty() && !number.empty()) {
    return Bad("the first line has words (", word, ") and numbers (", number,
               "); say header: true or header: false");
  }
  return !word.empty();
}

absl::StatusOr<size_t> CsvReader::Resolve(const std::string& column) const {
  const auto named = std::find(names_.begin(), names_.end(), column);
  if (named != names_.end()) {
    if (std::find(named + 1, names_.end(), column) != names_.end()) {
      return Bad("column ", Excerpt(column),
                 " is in the header twice; use its number, from 1");
    }
    return static_cast<size_t>(named - names_.begin());
  }
  int64_t number;
  if (absl::SimpleAtoi(column, &number)) {
    if (number >= 1 && number <= static_cast<int64_t>(width_)) {
      return static_cast<size_t>(number - 1);
    }
    return Bad("there is no column ", number, "; they count from 1 to ",
               width_);
  }
  if (names_.empty()) {
    return Bad("column ", Excerpt(column),
               " goes by a name, but there is no header; use its number, "
               "from 1");
  }
  return Bad("there is no column ", Excerpt(column), " among ", Listed());
}

std::string CsvReader::Listed() const {
  constexpr size_t kListed = 12;
  const auto listed = names_.begin() + std::min(kListed, names_.size());
  return absl::StrCat(
      absl::StrJoin(names_.begin(), listed, ", ",
                    [](std::string* out, const std::string& name) {
                      absl::StrAppend(out, Excerpt(name));
                    }),
      listed == names_.end() ? "" : ", ...");
}

absl::StatusOr<bool> CsvReader::ReadLine(absl::string_view* line) {
  do {
    EBB_ASSIGN_OR_RETURN(const bool more, file_.ReadLine(line));
    if (!more) return false;
  } while (line->empty());
  return true;
}

absl::Status CsvReader::Split(absl::string_view line) {
  fields_.clear();
  unescaped_.clear();
  unescaped_.reserve(line.size());  // So that views of it stay valid.
  for (;;) {
    if (delimiter_ != ' ') {
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    }
    if (!line.empty() && line.front() == '"') {
      EBB_RETURN_IF_ERROR(TakeQuoted(&line));
    } else {
      const size_t end = std::min(line.find(delimiter_), line.size());
      fields_.push_back(
          absl::StripTrailingAsciiWhitespace(line.substr(0, end)));
      line.remove_prefix(end);
    }
    if (line.empty()) return absl::OkStatus();
    line.remove_prefix(1);
  }
}

absl::Status CsvReader::TakeQuoted(absl::string_view* rest) {
  const size_t start = unescaped_.size();
  rest->remove_prefix(1);
  for (;;) {
    const size_t quote = rest->find('"');
    if (quote == absl::string_view::npos) {
      return Bad("column ", fields_.size() + 1,
                 " begins with a quote that the line does not close");
    }
    unescaped_.append(rest->data(), quote);
    rest->remove_prefix(quote + 1);
    if (rest->empty() || rest->front() != '"') break;
    unescaped_.push_back('"');
    rest->remove_prefix(1);
  }
  fields_.push_back(absl::string_view(unescaped_).substr(start));
  const size_t end = std::min(rest->find(delimiter_), rest->size());
  if (!absl::StripAsciiWhitespace(rest->substr(0, end)).empty()) {
    return Bad("column ", fields_.size(), " goes on with ",
               Excerpt(rest->substr(0, end)),
               " after its closing quote; double the quotes inside a field");
  }
  rest->remove_prefix(end);
  return absl::OkStatus();
}

absl::StatusOr<float> CsvReader::Feature(size_t column) const {
  const absl::string_view field = fields_[column];
  if (!IsMissing(field)) {
    absl::StatusOr<float> value = ParseFeature(field, spec_.scale);
    if (value.ok()) return value;
    return Bad(Describe(column), ": ", value.status().message());
  }
  switch (spec_.csv.missing) {
    case Missing::kError:
      break;
    case Missing::kConstant:
      return static_cast<float>(spec_.csv.missing_value * spec_.scale);
    case Missing::kMean:
      return std::numeric_limits<float>::quiet_NaN();
  }
  return Bad(Describe(column), " is missing (", Excerpt(field),
             "); name the column in ignore, or say missing: mean, or missing: "
             "and a number");
}

absl::StatusOr<bool> CsvReader::Next(Example* example) {
  Problems problems;
  while (!problems.full()) {
    absl::Status split;
    if (!std::exchange(pending_, false)) {
      absl::string_view line;
      absl::StatusOr<bool> more = ReadLine(&line);
      if (!more.ok() || !*more) {
        if (!problems.empty()) break;
        if (more.ok()) EBB_RETURN_IF_ERROR(bad_.Judge(file_.name()));
        return more;
      }
      split = Split(line);
    }
    float label = 0;
    if (split.ok()) {
      label = Take(&problems);
    } else {
      problems.Add(kNoColumn, split);
    }
    if (problems.empty()) {
      bad_.AddGood();
      *example = {.label = label, .values = values_};
      return true;
    }
    // It is left out, or the other lines are looked at only for more mistakes.
    if (bad_.skip()) {
      EBB_RETURN_IF_ERROR(bad_.Add(problems.Status(file_.path())));
      problems = {};
    }
  }
  return problems.Status(file_.path());
}

float CsvReader::Take(Problems* problems) {
  if (fields_.size() != width_) {
    problems->Add(kNoColumn, Bad("the line has ", fields_.size(),
                                 " fields, but the first one ", width_));
    return 0;
  }
  float label = 0;
  if (spec_.has_labels) {
    const absl::StatusOr<float> parsed =
        ParseLabel(fields_[label_], spec_.label_kind);
    if (parsed.ok()) {
      label = *parsed;
    } else {
      problems->Add(label_, Bad("label, ", Describe(label_), ": ",
                                parsed.status().message()));
    }
  }
  for (size_t i = 0; i < features_.size(); ++i) {
    const absl::StatusOr<float> value = Feature(features_[i]);
    if (value.ok()) {
      values_[i] = *value;
    } else {
      problems->Add(features_[i], value.status());
    }
  }
  return label;
}

std::string CsvReader::Describe(size_t column) const {
  if (names_.empty()) return absl::StrCat("column ", column + 1);
  return absl::StrCat("column ", column + 1, " (", Excerpt(names_[column]),
                      ")");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> OpenCsvReader(const SourceSpec& spec,
                                                      Input file) {
  auto reader = std::make_unique<CsvReader>(spec, std::move(file));
  EBB_RETURN_IF_ERROR(reader->Start());
  return reader;
}

}  // namespace ebb::data::internal

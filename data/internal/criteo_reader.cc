// Click logs as Criteo's: a line is a label, 13 numbers and 26 categories, each
// of which may be empty. Between them is tab, or comma where the first line has
// no tab; it may be a header.
// https://labs.criteo.com/2014/02/kaggle-display-advertising-challenge-dataset
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/internal/line_reader.h"
#include "data/internal/readers.h"
#include "data/internal/text.h"

namespace ebb::data::internal {
namespace {

using Numbers = CriteoOptions::Numbers;

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

class CriteoReader : public LineReader {
 public:
  CriteoReader(const SourceSpec& spec, Input file)
      : LineReader(spec, std::move(file)),
        numeric_(static_cast<size_t>(spec.criteo.numeric)),
        width_(numeric_ + static_cast<size_t>(spec.criteo.categories)) {}

  Layout layout() const override { return Layout::kKeyed; }
  int64_t features() const override { return static_cast<int64_t>(width_); }

 private:
  absl::StatusOr<bool> Take(absl::string_view line, Example* example) override {
    if (line.empty()) return false;
    const bool first = !std::exchange(begun_, true);
    if (!settled_) {
      delimiter_ = line.find('\t') == absl::string_view::npos ? ',' : '\t';
    }
    Split(line);
    EBB_RETURN_IF_ERROR(CheckWidth());
    settled_ = true;
    const bool labelled = columns_.size() == width_ + 1;
    if (first && (labelled || numeric_ > 0) && !columns_[0].empty() &&
        !IsNumber(columns_[0])) {
      return false;  // A header.
    }
    float label = 0;
    if (spec().has_labels) {
      EBB_ASSIGN_OR_RETURN(label, Label(columns_[0]));
    }
    row_.Clear();
    for (size_t field = 0; field < width_; ++field) {
      const absl::string_view text = columns_[field + (labelled ? 1 : 0)];
      if (field >= numeric_) {
        AddWord(field, text);
      } else {
        EBB_RETURN_IF_ERROR(AddNumber(field, text));
      }
    }
    *example = row_.AsExample(label);
    return true;
  }

  void Split(absl::string_view line) {
    columns_.clear();
    for (;;) {
      const size_t end = std::min(line.find(delimiter_), line.size());
      columns_.push_back(absl::StripAsciiWhitespace(line.substr(0, end)));
      if (end == line.size()) return;
      line.remove_prefix(end + 1);
    }
  }

  // Data to predict from may lack the column of the label.
  absl::Status CheckWidth() const {
    const bool least = columns_.size() == width_ && !spec().has_labels;
    if (columns_.size() == width_ + 1 || least) return absl::OkStatus();
    return Bad("the line has ", columns_.size(), " fields between ",
               delimiter_ == '\t' ? "tabs" : "commas", " instead of ",
               width_ + 1, ": a label, ", numeric_, " numbers and ",
               width_ - numeric_,
               " categories; if the log has others, say so by numeric and "
               "categories");
  }

  absl::Status AddNumber(size_t field, absl::string_view text) {
    const bool bucket = spec().criteo.numbers == Numbers::kBucket;
    if (text.empty()) {  // No magnitude is one, too; no value is none.
      if (bucket) AddWord(field, text);
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

  void AddWord(size_t field, absl::string_view word) {
    row_.Add(static_cast<Field>(field), KeyOf(static_cast<Field>(field), word),
             1);
  }

  const size_t numeric_;
  const size_t width_;    // Without the label.
  bool begun_ = false;    // There was a line,
  bool settled_ = false;  // and one that had the right width.
  char delimiter_ = 0;
  std::vector<absl::string_view> columns_;
  KeyedRow row_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> OpenCriteoReader(const SourceSpec& spec,
                                                         Input file) {
  return std::make_unique<CriteoReader>(spec, std::move(file));
}

}  // namespace ebb::data::internal

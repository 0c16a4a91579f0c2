// Ratings: a line is "user,item,rating", and perhaps a time, which is not used.
// Between the fields is what the first line has there: "::" (ratings.dat of
// MovieLens 1M and 10M), tab (u.data of MovieLens 100K), a semicolon or a comma
// (ratings.csv of the later ones, and of `ebb generate`).
// https://grouplens.org/datasets/movielens
#include <algorithm>
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

constexpr Field kUser = 0;
constexpr Field kItem = 1;

absl::string_view DelimiterOf(absl::string_view line) {
  for (const absl::string_view delimiter : {"::", "\t", ";"}) {
    if (line.find(delimiter) != absl::string_view::npos) return delimiter;
  }
  return ",";
}

class RatingsReader : public LineReader {
 public:
  using LineReader::LineReader;

  Layout layout() const override { return Layout::kKeyed; }
  int64_t features() const override { return 2; }

 private:
  absl::StatusOr<bool> Take(absl::string_view line, Example* example) override {
    if (absl::StripAsciiWhitespace(line).empty()) return false;
    const bool first = !std::exchange(begun_, true);
    if (!settled_) delimiter_ = DelimiterOf(line);
    Split(line);
    const size_t least = spec().has_labels ? 3 : 2;
    if (fields_.size() < least || fields_.size() > 4) {
      return Bad("the line has ", fields_.size(), " fields between '",
                 Printed(), "', the delimiter of the first line; ",
                 spec().has_labels ? "user, item and rating are needed"
                                   : "user and item are needed",
                 ", and a time may follow");
    }
    settled_ = true;
    if (first) {
      EBB_ASSIGN_OR_RETURN(const bool header, IsHeader());
      if (header) return false;
    }
    row_.Clear();
    EBB_RETURN_IF_ERROR(AddWord(kUser, "user"));
    EBB_RETURN_IF_ERROR(AddWord(kItem, "item"));
    float rating = 0;
    if (spec().has_labels) {
      EBB_ASSIGN_OR_RETURN(rating, Label(fields_[2]));
    }
    *example = row_.AsExample(rating);
    return true;
  }

  void Split(absl::string_view line) {
    fields_.clear();
    for (;;) {
      const size_t end = std::min(line.find(delimiter_), line.size());
      fields_.push_back(absl::StripAsciiWhitespace(line.substr(0, end)));
      if (end == line.size()) return;
      line.remove_prefix(end + delimiter_.size());
    }
  }

  // Of a header no field is a number, of a rating the third one is. Without
  // ratings, users and items may be words: then a header is told by its own.
  absl::StatusOr<bool> IsHeader() const {
    if (fields_.size() < 3) {
      const std::string user = absl::AsciiStrToLower(fields_[0]);
      return user == "user" || user == "userid" || user == "user_id";
    }
    if (fields_[2].empty() || IsNumber(fields_[2])) return false;
    for (const absl::string_view field : fields_) {
      if (!IsNumber(field)) continue;
      return Bad("the rating is ", Excerpt(fields_[2]),
                 ", which is not a number; nor is the line a header, for it "
                 "has the number ",
                 Excerpt(field));
    }
    return true;
  }

  absl::Status AddWord(Field field, absl::string_view what) {
    if (fields_[field].empty()) {
      return Bad("the ", what, " is missing; user, item and rating are needed");
    }
    row_.Add(field, KeyOf(field, fields_[field]), 1);
    return absl::OkStatus();
  }

  absl::string_view Printed() const {
    return delimiter_ == "\t" ? "\\t" : delimiter_;
  }

  bool begun_ = false;           // There was a line,
  bool settled_ = false;         // and one that had the right width.
  absl::string_view delimiter_;  // Of static storage.
  std::vector<absl::string_view> fields_;
  KeyedRow row_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> OpenRatingsReader(
    const SourceSpec& spec, Input file) {
  return std::make_unique<RatingsReader>(spec, std::move(file));
}

}  // namespace ebb::data::internal

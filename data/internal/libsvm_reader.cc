// LIBSVM: a line is "label id:value id:value ...", ids ascending; # begins a
// comment. https://www.csie.ntu.edu.tw/~cjlin/libsvm/faq.html
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/internal/readers.h"
#include "data/internal/text.h"

namespace ebb::data::internal {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Takes the next word from `*line`; empty at its end or at a comment.
absl::string_view NextWord(absl::string_view* line) {
  size_t begin = 0;
  while (begin < line->size() && IsSpace((*line)[begin])) ++begin;
  if (begin < line->size() && (*line)[begin] == '#') begin = line->size();
  size_t end = begin;
  while (end < line->size() && !IsSpace((*line)[end])) ++end;
  const absl::string_view word = line->substr(begin, end - begin);
  line->remove_prefix(end);
  return word;
}

bool IsPair(absl::string_view word) {
  return word.find(':') != absl::string_view::npos;
}

class LibsvmReader : public Reader {
 public:
  LibsvmReader(const SourceSpec& spec, Input file)
      : spec_(spec),
        first_id_(spec.libsvm.zero_based ? 0 : 1),
        file_(std::move(file)) {}

  absl::StatusOr<bool> Next(Example* example) override {
    absl::string_view line;
    absl::string_view word;
    while (word.empty()) {  // Lines without words are no examples.
      EBB_ASSIGN_OR_RETURN(const bool more, file_.ReadLine(&line));
      if (!more) return false;
      word = NextWord(&line);
    }
    float label = 0;
    if (spec_.has_labels) {
      EBB_ASSIGN_OR_RETURN(label, Label(word));
    }
    if (spec_.has_labels || !IsPair(word)) word = NextWord(&line);
    ids_.clear();
    values_.clear();
    for (; !word.empty(); word = NextWord(&line)) {
      EBB_RETURN_IF_ERROR(AddPair(word));
    }
    *example = {.label = label, .values = values_, .ids = ids_};
    return true;
  }

  Layout layout() const override { return Layout::kSparse; }
  int64_t features() const override {
    return spec_.libsvm.features > 0 ? spec_.libsvm.features : found_;
  }
  std::string Where() const override {
    return absl::StrCat(file_.path(), ":", file_.line_number());
  }
  std::vector<FileFingerprint> Fingerprints() const override {
    return {file_.Fingerprint()};
  }

 private:
  template <typename... Args>
  absl::Status Bad(const Args&... args) const {
    return absl::InvalidArgumentError(absl::StrCat(Where(), ": ", args...));
  }

  absl::StatusOr<float> Label(absl::string_view word) const {
    if (IsPair(word)) {
      return Bad("the line begins with ", Excerpt(word),
                 " instead of a label; if the data has none, say so");
    }
    absl::StatusOr<float> label = ParseLabel(word, spec_.label_kind);
    if (!label.ok()) return Bad("label: ", label.status().message());
    return label;
  }

  absl::Status AddPair(absl::string_view word) {
    const size_t colon = word.find(':');
    int64_t id;
    if (colon == absl::string_view::npos ||
        !absl::SimpleAtoi(word.substr(0, colon), &id)) {
      return Bad(Excerpt(word), " is not a feature; write id:value, as in 7:1");
    }
    if (id < first_id_) {
      return Bad("feature id ", id, " is below ", first_id_,
                 id == 0 ? "; if ids count from 0 here, say zero-based" : "");
    }
    id -= first_id_;
    const int64_t limit =
        spec_.libsvm.features > 0 ? spec_.libsvm.features : kMaxFeatures;
    if (id >= limit) {
      return Bad("feature id ", id + first_id_, " in data of ", limit,
                 spec_.libsvm.features > 0
                     ? " features; say the right number of features"
                     : " features, the most there can be");
    }
    if (!ids_.empty() && id <= ids_.back()) {
      return Bad("feature id ", id + first_id_, " stands after ",
                 ids_.back() + first_id_, "; the ids of a line ascend");
    }
    const absl::StatusOr<float> value =
        ParseFeature(word.substr(colon + 1), spec_.scale);
    if (!value.ok()) {
      return Bad("feature ", id + first_id_, ": ", value.status().message());
    }
    ids_.push_back(static_cast<int32_t>(id));
    values_.push_back(*value);
    found_ = std::max(found_, id + 1);
    return absl::OkStatus();
  }

  const SourceSpec spec_;
  const int64_t first_id_;
  Input file_;
  int64_t found_ = 0;
  std::vector<int32_t> ids_;
  std::vector<float> values_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> OpenLibsvmReader(const SourceSpec& spec,
                                                         Input file) {
  return std::make_unique<LibsvmReader>(spec, std::move(file));
}

}  // namespace ebb::data::internal

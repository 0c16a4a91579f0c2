// LDA-C: a line is a document, "words word:count word:count ...": how many
// different words it has, and how often each. Words are numbers from 0, in any
// order. https://github.com/blei-lab/lda-c
//
// "0" alone is a document without words. It is an example, from which there is
// nothing to learn. Empty lines are passed over.
//
// The vocabulary has the word of each number, one a line. It is read first, as
// if it stood before the documents.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/line_reader.h"
#include "data/formats/options.h"
#include "data/formats/table_files.h"

namespace ebb::data::internal {
namespace {

// Counts are floats to models, which are whole and exact up to this.
constexpr uint64_t kMostOfACount = uint64_t{1} << 24;

class BagsReader : public LineReader {
 public:
  using LineReader::LineReader;

  Layout layout() const override { return Layout::kSparse; }
  int64_t features() const override {
    return has_vocabulary() ? words_ : found_;
  }
  std::optional<ColumnNames> Names() const override {
    if (!has_vocabulary() || name_bytes_ > kMaxNameBytes) return std::nullopt;
    if (known_.size() != names_.size()) return std::nullopt;
    return ColumnNames{.features = names_, .label = ""};
  }

 private:
  bool has_vocabulary() const { return !spec().bags.vocabulary.empty(); }

  absl::StatusOr<bool> Take(absl::string_view line, Example* example) override {
    if (has_vocabulary() && path() == spec().bags.vocabulary) {
      EBB_RETURN_IF_ERROR(AddWord(line));
      return false;
    }
    // TakeWord() would pass over it.
    if (absl::StrContains(line, '#')) {
      return Bad("# begins no comment in bags of words; leave it out");
    }
    if (IsBlank(line)) return false;
    const absl::string_view front = TakeWord(&line);
    uint64_t different = 0;
    if (!ParseWhole(front, &different)) {
      return Bad(Excerpt(front),
                 " is not the number of different words of a document, with "
                 "which each line begins");
    }
    ids_.clear();
    counts_.clear();
    while (!IsBlank(line)) EBB_RETURN_IF_ERROR(AddPair(TakeWord(&line)));
    if (different != ids_.size()) {
      return Bad("the line says ", different, " different words, and has ",
                 ids_.size());
    }
    EBB_RETURN_IF_ERROR(Sort());
    if (!ids_.empty()) found_ = std::max<int64_t>(found_, ids_.back() + 1);
    *example = {.values = counts_, .ids = ids_};
    return true;
  }

  absl::Status AddWord(absl::string_view line) {
    if (words_ == kMaxFeatures) {
      return Bad("the vocabulary has more than ", kMaxFeatures, " words");
    }
    ++words_;
    const absl::string_view word = absl::StripAsciiWhitespace(line);
    name_bytes_ += static_cast<int64_t>(word.size());
    if (name_bytes_ > kMaxNameBytes) return absl::OkStatus();
    names_.emplace_back(word);
    const auto [known, is_new] = known_.try_emplace(word, words_ - 1);
    if (is_new) return absl::OkStatus();
    return Bad("the vocabulary has ", Excerpt(word), " twice, for words ",
               known->second, " and ", words_ - 1,
               "; give each number a word of its own");
  }

  absl::Status AddPair(absl::string_view pair) {
    const size_t colon = pair.find(':');
    uint64_t word = 0, count = 0;
    if (colon == absl::string_view::npos ||
        !ParseWhole(pair.substr(0, colon), &word)) {
      return Bad(Excerpt(pair),
                 " is not a word; write word:count, as in 7:2, with words from "
                 "0 up");
    }
    const bool whole = ParseWhole(pair.substr(colon + 1), &count);
    if (!whole || count == 0 || count > kMostOfACount) {
      return Bad("word ", word, ": count ", Excerpt(pair.substr(colon + 1)),
                 " is not a whole number from 1 to ", kMostOfACount,
                 whole && count == 0
                     ? "; leave out words that a document has not"
                     : "");
    }
    const auto limit =
        static_cast<uint64_t>(has_vocabulary() ? words_ : kMaxFeatures);
    if (has_vocabulary() && words_ == 0) {
      return Bad("the vocabulary, ", spec().bags.vocabulary, ", has no words");
    }
    if (word >= limit) {
      return Bad("word ", word,
                 has_vocabulary()
                     ? absl::StrCat(" in a vocabulary of ", limit,
                                    limit == 1 ? " word" : " words",
                                    ", whose numbers begin with 0")
                     : absl::StrCat(" is beyond ", limit,
                                    ", the most words there can be"));
    }
    ids_.push_back(static_cast<int32_t>(word));
    counts_.push_back(static_cast<float>(count));
    return absl::OkStatus();
  }

  // By the numbers of words.
  absl::Status Sort() {
    const auto unordered =
        std::ranges::adjacent_find(ids_, std::ranges::greater_equal());
    if (unordered == ids_.end()) return absl::OkStatus();
    order_.resize(ids_.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::ranges::sort(order_, {}, [this](size_t i) { return ids_[i]; });
    std::vector<int32_t> ids(ids_.size());
    std::vector<float> counts(ids_.size());
    for (size_t i = 0; i < order_.size(); ++i) {
      ids[i] = ids_[order_[i]];
      counts[i] = counts_[order_[i]];
      if (i > 0 && ids[i] == ids[i - 1]) return Twice(ids[i]);
    }
    ids_.swap(ids);
    counts_.swap(counts);
    return absl::OkStatus();
  }

  absl::Status Twice(int32_t word) const {
    return Bad("word ", word,
               " stands there twice; write it once, with the sum");
  }

  int64_t found_ = 0;
  // The vocabulary.
  int64_t words_ = 0;
  int64_t name_bytes_ = 0;
  std::vector<std::string> names_;
  absl::flat_hash_map<std::string, int64_t> known_;  // Their numbers.
  std::vector<int32_t> ids_;
  std::vector<float> counts_;
  std::vector<size_t> order_;
};

absl::Status ValidateBags(const SourceSpec& spec) {
  if (spec.has_labels) {
    return WrongOption("bags of words have no labels");
  }
  if (spec.scale != 1) {
    return WrongOption("scale ", spec.scale,
                       ": bags have counts of words, which stay whole; leave "
                       "out scale");
  }
  if (!spec.comment.empty()) {
    return WrongOption("bags have no comments; leave out comment");
  }
  return absl::OkStatus();
}

std::string MeaningOfBags(const SourceSpec& /*spec*/,
                          absl::string_view common) {
  return absl::StrCat("bags", common);
}

absl::StatusOr<std::vector<Input>> FilesOfBags(const SourceSpec& spec,
                                               const OpenBytes& open) {
  if (spec.path.empty()) return WrongOption("the source names no path");
  EBB_ASSIGN_OR_RETURN(std::vector<std::string> paths, TableFiles(spec, open));
  if (!spec.bags.vocabulary.empty()) {
    if (std::ranges::find(paths, spec.bags.vocabulary) != paths.end()) {
      return WrongOption(spec.bags.vocabulary,
                         " is among the documents, and their vocabulary too");
    }
    paths.insert(paths.begin(), spec.bags.vocabulary);
  }
  EBB_ASSIGN_OR_RETURN(Input input, Input::Open(std::move(paths), open));
  std::vector<Input> files;
  files.push_back(std::move(input));
  return files;
}

// The options say nothing: the training data has the width.
int64_t WidthOfBags(const SourceSpec& /*spec*/) { return 0; }

}  // namespace

Format BagsFormat() {
  return {.kind = SourceKind::kBags,
          .word = "bags",
          .layout = Always<Layout::kSparse>,
          .stated_width = WidthOfBags,
          .validate = ValidateBags,
          .meaning = MeaningOfBags,
          .files = FilesOfBags,
          .open = Open<BagsReader>};
}

}  // namespace ebb::data::internal

// Plain text: documents of words, without labels. A word goes by its place in
// the vocabulary, and words beyond it are left out. A first pass over the
// training data makes the vocabulary (SurveyText).
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/bad_examples.h"
#include "data/formats/format.h"
#include "data/formats/keyed_row.h"
#include "data/formats/options.h"
#include "data/words.h"

namespace ebb::data::internal {
namespace {

// Different words that are counted at a time, at least.
constexpr int64_t kLeastCounted = int64_t{1} << 20;

absl::Status BadLine(const Input& file, absl::string_view line) {
  return absl::InvalidArgumentError(absl::StrCat(
      file.path(), ":", file.line_number(), ": ", NotUtf8(line, file.path())));
}

// The stop words, as the text would have them.
absl::flat_hash_set<std::string> StopWords(const DocumentOptions& options) {
  absl::flat_hash_set<std::string> all;
  WordCutter cutter(options.lower_case);
  for (const std::string& text : options.stop_words) {
    absl::string_view word;
    cutter.Start(text);
    while (cutter.Next(&word)) all.emplace(word);
  }
  return all;
}

Layout LayoutOfText(const SourceSpec& spec) {
  return spec.documents.counts ? Layout::kSparse : Layout::kKeyed;
}

class TextReader : public Reader {
 public:
  TextReader(const SourceSpec& spec, Vocabulary vocabulary, Input file)
      : spec_(spec),
        words_(std::move(vocabulary.words)),
        file_(std::move(file)),
        cutter_(spec.documents.lower_case),
        bad_(spec.on_bad_example) {
    for (const std::string& word : words_) {
      numbers_of_.emplace(word, numbers_of_.size());
    }
  }

  absl::StatusOr<bool> Next(Example* example) override {
    while (piece_ == pieces_) {
      EBB_ASSIGN_OR_RETURN(const bool more, ReadDocument());
      if (!more) {
        EBB_RETURN_IF_ERROR(bad_.Judge(file_.name()));
        return false;
      }
      EBB_RETURN_IF_ERROR(Begin());
    }
    FillRow();
    ++piece_;
    bad_.AddGood();
    *example = row_.AsExample();
    if (spec_.documents.counts) {
      ids_.assign(row_.keys.begin(), row_.keys.end());
      *example = {.values = row_.values, .ids = ids_};
    }
    return true;
  }

  Layout layout() const override { return LayoutOfText(spec_); }
  int64_t features() const override {
    return spec_.documents.counts ? std::ssize(words_) : 1;
  }
  std::string Where() const override { return where_; }
  LeftOut left_out() const override { return bad_.left_out(); }
  std::vector<std::string> Remarks() const override {
    std::vector<std::string> remarks;
    if (short_ > 0) {
      const int64_t least = spec_.documents.least_words;
      remarks.push_back(absl::StrCat(
          short_, " of ", documents_,
          documents_ == 1 ? " document " : " documents ",
          short_ == 1 ? "has" : "have",
          least == 1 ? " no word"
                     : absl::StrCat(" fewer than ", least, " words"),
          " of the vocabulary and ", short_ == 1 ? "is" : "are", " left out"));
    }
    if (documents_ == 1 && lines_ > 1 && spec_.documents.counts) {
      remarks.push_back(
          absl::StrCat("all ", lines_,
                       " lines are one document, which an empty line would "
                       "end; if each line is a document, say document: line"));
    }
    return remarks;
  }
  std::vector<FileFingerprint> Fingerprints() const override {
    return file_.Fingerprints();
  }

 private:
  // Reads the numbers of the words of the next document; false at the end. The
  // end of a file ends a document.
  absl::StatusOr<bool> ReadDocument() {
    numbers_.clear();
    mistake_ = absl::OkStatus();
    for (bool begun = false;;) {
      if (!held_) {
        EBB_ASSIGN_OR_RETURN(const bool more, file_.ReadLine(&line_));
        if (!more) return begun;
      }
      held_ = false;
      // Text has no comments: a line that begins with # is not blank.
      const bool blank =
          line_.find_first_not_of(" \t\r") == absl::string_view::npos;
      if (begun && (blank || file_.begins_further_file())) {
        held_ = !blank;
        return true;
      }
      if (blank) continue;
      if (!begun) where_ = absl::StrCat(file_.path(), ":", file_.line_number());
      begun = true;
      ++lines_;
      TakeLine();
      if (spec_.documents.lines) return true;
    }
  }

  void TakeLine() {
    if (!mistake_.ok()) return;
    if (!IsUtf8Text(line_)) {
      mistake_ = BadLine(file_, line_);
      return;
    }
    absl::string_view word;
    cutter_.Start(line_);
    while (cutter_.Next(&word)) {
      const auto known = numbers_of_.find(word);
      if (known != numbers_of_.end()) numbers_.push_back(known->second);
    }
  }

  // Decides what becomes of the document that was read.
  absl::Status Begin() {
    piece_ = 0;
    pieces_ = 0;
    if (!mistake_.ok()) return bad_.Add(mistake_);
    ++documents_;
    const auto words = static_cast<int64_t>(numbers_.size());
    if (words < spec_.documents.least_words) {
      ++short_;
      return absl::OkStatus();
    }
    const int64_t longest = spec_.documents.longest;
    pieces_ = longest == 0 ? 1 : (words + longest - 1) / longest;
    if (spec_.documents.counts) std::sort(numbers_.begin(), numbers_.end());
    return absl::OkStatus();
  }

  // Pieces differ by at most one word.
  void FillRow() {
    row_.Clear();
    const auto words = static_cast<int64_t>(numbers_.size());
    const int64_t begin = words * piece_ / pieces_;
    const int64_t end = words * (piece_ + 1) / pieces_;
    for (int64_t i = begin; i < end; ++i) {
      const bool again =
          spec_.documents.counts && i > begin && numbers_[i] == numbers_[i - 1];
      if (again) {
        row_.values.back() += 1;
      } else {
        row_.Add(0, numbers_[i], 1);
      }
    }
  }

  const SourceSpec spec_;
  const std::vector<std::string> words_;
  absl::flat_hash_map<absl::string_view, uint64_t>
      numbers_of_;  // Views of words_.
  Input file_;
  WordCutter cutter_;
  BadExamples bad_;

  absl::string_view line_;
  bool held_ = false;  // line_ is the first of the next document.
  // The document that was read last.
  std::vector<uint64_t> numbers_;
  absl::Status mistake_;
  std::string where_;
  int64_t piece_ = 0;
  int64_t pieces_ = 0;
  KeyedRow row_;
  std::vector<int32_t> ids_;  // Its keys, where words are counted.

  int64_t documents_ = 0;  // Readable ones.
  int64_t short_ = 0;
  int64_t lines_ = 0;  // Lines of documents.
};

// "a vocabulary of 4,831 words; ...".
std::string VocabularyRemark(const WordCounts& counts,
                             const Vocabulary& vocabulary) {
  int64_t kept = 0;
  for (const int64_t count : vocabulary.counts) kept += count;
  std::string text = absl::StrCat(
      "a vocabulary of ", vocabulary.words.size(), " words, from ",
      Excerpt(vocabulary.words.front()), " (", vocabulary.counts.front(),
      " times) to ", Excerpt(vocabulary.words.back()), " (",
      vocabulary.counts.back(), ")");
  const int64_t words = counts.total();
  if (kept < words) {
    absl::StrAppend(
        &text, "; other words are ",
        absl::StrFormat("%.1f %%", 100.0 * static_cast<double>(words - kept) /
                                       static_cast<double>(words)),
        " of the text and left out");
  }
  if (counts.forgot()) {
    absl::StrAppend(&text,
                    "; there are more different words than can be counted at a "
                    "time, so counts of rare ones are too low");
  }
  return text;
}

absl::Status CheckVocabulary(const SourceSpec& spec, const WordCounts& counts,
                             const Vocabulary& vocabulary) {
  if (vocabulary.words.size() > 1) return absl::OkStatus();
  const auto wrong = [&](const auto&... args) {
    return absl::InvalidArgumentError(absl::StrCat(spec.Name(), args...));
  };
  if (counts.total() == 0) {
    return wrong(" has no words", spec.documents.stop_words.empty()
                                      ? ""
                                      : " beside the stop words");
  }
  const int64_t least = spec.documents.least_count;
  const std::string found =
      vocabulary.words.empty()
          ? absl::StrCat("none of its ", counts.different(),
                         " different words occurs ", least, " times")
          : absl::StrCat("its vocabulary would be one word, ",
                         Excerpt(vocabulary.words.front()),
                         ", which says nothing");
  return wrong(": ", found,
               spec.documents.most_words == 1 ? "; say a larger most_words"
               : least > 1 ? "; say a smaller least_count, or give more text"
                           : "; give more text");
}

absl::StatusOr<FoundEncoding> SurveyText(const SourceSpec& spec, Input file) {
  const DocumentOptions& options = spec.documents;
  const auto stop_words = StopWords(options);
  WordCounts counts(
      static_cast<size_t>(std::max(kLeastCounted, 2 * options.most_words)));
  WordCutter cutter(options.lower_case);
  for (;;) {
    absl::string_view line;
    EBB_ASSIGN_OR_RETURN(const bool more, file.ReadLine(&line));
    if (!more) break;
    if (!IsUtf8Text(line)) {
      // Its document is left out.
      if (spec.on_bad_example == OnBadExample::kSkip) continue;
      return BadLine(file, line);
    }
    absl::string_view word;
    cutter.Start(line);
    while (cutter.Next(&word)) {
      if (!stop_words.contains(word)) counts.Add(word);
    }
  }
  FoundEncoding found;
  Vocabulary& vocabulary = found.encoding.vocabulary;
  vocabulary = counts.Choose(options.least_count, options.most_words);
  EBB_RETURN_IF_ERROR(CheckVocabulary(spec, counts, vocabulary));
  found.remarks.push_back(VocabularyRemark(counts, vocabulary));
  return found;
}

absl::StatusOr<std::unique_ptr<Reader>> OpenText(const SourceSpec& spec,
                                                 const Encoding& encoding,
                                                 std::vector<Input> files) {
  return std::make_unique<TextReader>(spec, encoding.vocabulary,
                                      std::move(files[0]));
}

absl::Status ValidateDocuments(const SourceSpec& spec) {
  const DocumentOptions& options = spec.documents;
  if (spec.has_labels) {
    return WrongOption("text has no labels; read it without");
  }
  if (options.least_count < 1 || options.most_words < 1 ||
      options.least_words < 0 || options.longest < 0) {
    return WrongOption("least_count ", options.least_count, ", most_words ",
                       options.most_words, ", least_words ",
                       options.least_words, " and longest ", options.longest,
                       ": the first two are at least 1, and the others are not "
                       "negative");
  }
  return absl::OkStatus();
}

std::string MeaningOfText(const SourceSpec& spec, absl::string_view common) {
  const DocumentOptions& options = spec.documents;
  std::string meaning = absl::StrCat(
      "text", common, " document=", options.lines ? "line" : "paragraph",
      " lower_case=", options.lower_case ? "yes" : "no",
      " least_count=", options.least_count, " most_words=", options.most_words,
      " least_words=", options.least_words,
      " view=", options.counts ? "counts" : "words",
      " longest=", options.longest);
  AppendList("stop_words", options.stop_words, &meaning);
  return meaning;
}

bool AlwaysWords(const SourceSpec& /*spec*/) { return true; }

}  // namespace

Format TextFormat() {
  return {.kind = SourceKind::kText,
          .word = "text",
          .layout = LayoutOfText,
          .only_words = AlwaysWords,
          .validate = ValidateDocuments,
          .meaning = MeaningOfText,
          .open = OpenText,
          .survey = SurveyText};
}

}  // namespace ebb::data::internal

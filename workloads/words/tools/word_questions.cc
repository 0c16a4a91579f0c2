#include "workloads/words/tools/word_questions.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "data/words.h"
#include "tools/text/console.h"
#include "workloads/words/tools/word_export.h"

namespace ebb::tools {

namespace {

constexpr size_t kNeighbours = 10;

void Normalise(std::span<float> vector) {
  double squares = 0;
  for (const float x : vector) squares += static_cast<double>(x) * x;
  if (squares == 0) return;
  const auto factor = static_cast<float>(1 / std::sqrt(squares));
  for (float& x : vector) x *= factor;
}

}  // namespace

WordIndex::WordIndex(const StoredModel& stored, std::vector<float> vectors)
    : stored_(stored),
      dim_(static_cast<size_t>(stored.job.model().dim())),
      vectors_(std::move(vectors)) {
  const auto& words = stored.index.encoding.vocabulary.words;
  for (size_t i = 0; i < words.size(); ++i) {
    Normalise(std::span(vectors_).subspan(i * dim_, dim_));
    numbers_.emplace(words[i], static_cast<int64_t>(i));
  }
}

absl::StatusOr<WordIndex> WordIndex::Create(const StoredModel& stored) {
  EBB_ASSIGN_OR_RETURN(std::vector<float> vectors, WordVectorsOf(stored));
  return WordIndex(stored, std::move(vectors));
}

int64_t WordIndex::Find(absl::string_view word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? -1 : found->second;
}

const std::string& WordIndex::WordAt(int64_t number) const {
  return stored_.index.encoding.vocabulary.words[number];
}

std::vector<WordIndex::Neighbour> WordIndex::Nearest(
    std::span<const int64_t> words, size_t most) const {
  const auto vector_of = [&](int64_t word) {
    return std::span(vectors_).subspan(static_cast<size_t>(word) * dim_, dim_);
  };
  std::vector<float> wanted(dim_);
  constexpr float kSigns[] = {-1, 1, 1};
  for (size_t w = 0; w < words.size(); ++w) {
    const float sign = words.size() == 1 ? 1 : kSigns[w];
    const auto vector = vector_of(words[w]);
    for (size_t i = 0; i < dim_; ++i) wanted[i] += sign * vector[i];
  }
  Normalise(wanted);
  std::vector<Neighbour> all;
  for (int64_t word = 0; word < std::ssize(numbers_); ++word) {
    if (std::ranges::find(words, word) != words.end()) continue;
    const auto vector = vector_of(word);
    float cosine = 0;
    for (size_t i = 0; i < dim_; ++i) cosine += wanted[i] * vector[i];
    all.push_back({word, cosine});
  }
  most = std::min(most, all.size());
  std::ranges::partial_sort(
      all, all.begin() + static_cast<int64_t>(most), {},
      [](const Neighbour& one) { return std::pair(-one.cosine, one.word); });
  all.resize(most);
  return all;
}

absl::Status AnswerQuestions(
    const WordIndex& index, bool lower_case, absl::string_view questions,
    absl::string_view called,
    const std::function<void(absl::string_view)>& write,
    const std::function<void(const std::string&)>& warn, AnalogyTally* tally) {
  data::WordCutter cutter(lower_case);
  write("question,word,cosine\n");
  int64_t line_number = 0;
  bool any = false;
  for (const absl::string_view line : absl::StrSplit(questions, '\n')) {
    ++line_number;
    if (absl::StartsWith(line, ":")) continue;
    const absl::Status readable = data::CheckUtf8(line, called);
    if (!readable.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(called, ":", line_number, ": ", readable.message()));
    }
    std::vector<std::string> words;
    absl::string_view word;
    cutter.Start(line);
    while (cutter.Next(&word)) words.emplace_back(word);
    if (words.empty()) continue;
    any = true;
    const bool fits = tally != nullptr ? words.size() == 4
                                       : words.size() == 1 || words.size() == 3;
    if (!fits) {
      return absl::InvalidArgumentError(absl::StrCat(
          called, ":", line_number, ": ", Count(words.size(), "word"),
          tally != nullptr
              ? "; a line has an analogy of four words to score by"
              : "; a line has one word, whose neighbours are looked for, or "
                "three of an analogy (--score takes four)"));
    }
    std::vector<int64_t> numbers;
    for (const std::string& one : words) numbers.push_back(index.Find(one));
    const auto unknown = std::ranges::find(numbers, -1);
    if (unknown != numbers.end()) {
      if (tally != nullptr) {
        ++tally->unknown;
      } else {
        warn(absl::StrCat(called, ":", line_number, ": the vocabulary has no ",
                          words[unknown - numbers.begin()]));
      }
      continue;
    }
    int64_t right = -1;
    if (tally != nullptr) {
      right = numbers.back();
      numbers.pop_back();
      words.pop_back();
    }
    const auto nearest =
        index.Nearest(numbers, tally != nullptr ? 1 : kNeighbours);
    for (const WordIndex::Neighbour& one : nearest) {
      write(absl::StrCat(absl::StrJoin(words, " "), ",", index.WordAt(one.word),
                         ",", absl::StrFormat("%.4f", one.cosine), "\n"));
    }
    if (tally == nullptr) continue;
    ++tally->asked;
    if (!nearest.empty() && nearest.front().word == right) ++tally->found;
  }
  if (!any) {
    return absl::InvalidArgumentError(absl::StrCat(
        called,
        " has no questions; a line has a word, or three of an analogy"));
  }
  return absl::OkStatus();
}

std::string TallyText(const AnalogyTally& tally) {
  const double share = tally.asked == 0
                           ? 0
                           : 100.0 * static_cast<double>(tally.found) /
                                 static_cast<double>(tally.asked);
  std::string text = absl::StrFormat("%.1f %% of ", share);
  absl::StrAppend(&text, WithCommas(tally.asked),
                  tally.asked == 1 ? " analogy found" : " analogies found");
  if (tally.unknown > 0) {
    absl::StrAppend(&text, "; ", WithCommas(tally.unknown),
                    " more have words without a vector");
  }
  return text + "\n";
}

}  // namespace ebb::tools

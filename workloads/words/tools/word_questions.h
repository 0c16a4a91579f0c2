// Questions about words, which their vectors answer.
#ifndef EBB_WORKLOADS_WORDS_TOOLS_WORD_QUESTIONS_H_
#define EBB_WORKLOADS_WORDS_TOOLS_WORD_QUESTIONS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/ebb/model/stored_model.h"

namespace ebb::tools {

// Immutable, so thread-safe.
class WordIndex {
 public:
  struct Neighbour {
    int64_t word = 0;
    float cosine = 0;
  };

  // The model outlives it. The errors of WordVectorsOf.
  static absl::StatusOr<WordIndex> Create(const StoredModel& stored);

  // The number of the word, or -1.
  int64_t Find(absl::string_view word) const;
  const std::string& WordAt(int64_t number) const;

  // The words that are nearest by cosine, the nearest first, without these
  // themselves: to one word, or to what is to the third as the second is to the
  // first (v(b) - v(a) + v(c), of vectors of length 1).
  std::vector<Neighbour> Nearest(std::span<const int64_t> words,
                                 size_t most) const;

 private:
  WordIndex(const StoredModel& stored, std::vector<float> vectors);

  const StoredModel& stored_;
  const size_t dim_;
  std::vector<float> vectors_;  // (words, dim), each of length 1 or 0.
  absl::flat_hash_map<absl::string_view, int64_t> numbers_;
};

// How many analogies were found.
struct AnalogyTally {
  int64_t asked = 0;
  int64_t found = 0;
  int64_t unknown = 0;  // Not asked: they have words without a vector.
};

// Answers questions, one a line; messages call them `called`: "king" asks for
// its neighbours, and "man king woman" for what is to woman as king is to man.
// With a tally a line has a fourth word, which is the right answer. Lines that
// begin with a colon, and empty ones, are passed over. Writes CSV: a header,
// and the ten nearest words of each question, with a tally the nearest one.
// Words without a vector go to `warn`. InvalidArgument: a line has another
// number of words or is not UTF-8, or there is no question.
absl::Status AnswerQuestions(
    const WordIndex& index, bool lower_case, absl::string_view questions,
    absl::string_view called,
    const std::function<void(absl::string_view)>& write,
    const std::function<void(const std::string&)>& warn, AnalogyTally* tally);

// "93.1 % of 1,000 analogies found".
std::string TallyText(const AnalogyTally& tally);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_WORDS_TOOLS_WORD_QUESTIONS_H_

// Draws the pairs of words that word vectors learn from
// (workloads/words/model/word_entries.h).
#ifndef EBB_WORKLOADS_WORDS_WORKER_WORD_PAIRS_H_
#define EBB_WORKLOADS_WORDS_WORKER_WORD_PAIRS_H_

#include <cstdint>
#include <vector>

#include "common/ids.h"
#include "data/dataset.h"
#include "data/encoding.h"

namespace ebb::workloads {

// A function of the text, the seed and the place of an example in the job: the
// same pairs come of it on every machine. Immutable, so thread-safe.
class WordPairs {
 public:
  struct Options {
    // Words to either side, at most. More find topics, fewer find grammar.
    int64_t window = 5;
    // Words drawn against each of a context. 5 to 20 for little text, 2 to 5
    // for much.
    int64_t negatives = 5;
    // The share of the text above which a word is left out at times: 1e-5 to
    // 1e-3; 0: all occurrences are kept.
    double subsample = 1e-3;
    uint64_t seed = 0;  // For what is drawn.
  };
  // The epoch of examples that are tested on.
  static constexpr int32_t kTestEpoch = -1;

  // `vocabulary` has at least two words.
  WordPairs(const data::Vocabulary& vocabulary, const Options& options);

  // Makes `*pairs` of documents, whose keys are numbers of words, in the order
  // of the text. The first one is at `position` of the item.
  void Draw(const data::ExampleBatch& documents, ItemId item, int64_t position,
            data::ExampleBatch* pairs) const;

 private:
  class Stream;

  uint64_t DrawNegative(Stream* stream) const;

  const Options options_;
  // By word: it is kept if 53 random bits are below this.
  std::vector<uint64_t> keep_below_;
  // Sums of the words' weights, up to and with each. Whole numbers, so that no
  // machine rounds them in another way.
  std::vector<uint64_t> weight_ends_;
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_WORDS_WORKER_WORD_PAIRS_H_

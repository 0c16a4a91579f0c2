#include "workloads/words/worker/word_pairs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/example_hash.h"
#include "workloads/words/model/word_entries.h"

namespace ebb::workloads {
namespace {

constexpr int kBits = 53;

}  // namespace

// The random numbers of one example.
class WordPairs::Stream {
 public:
  Stream(uint64_t seed, ItemId item, int64_t position) {
    constexpr uint64_t kDomain = 0x776f7264;  // "word"
    state_ = HashAppend(HashAppend(0, kDomain), seed);
    state_ = HashAppend(state_, ExampleHash(item, position));
  }

  uint64_t Next() { return HashAppend(state_, next_++); }
  // Evenly in [0, n).
  uint64_t Below(uint64_t n) {
    using Wide = unsigned __int128;
    return static_cast<uint64_t>(Wide{Next()} * n >> 64);
  }

 private:
  uint64_t state_ = 0;
  uint64_t next_ = 0;
};

WordPairs::WordPairs(const data::Vocabulary& vocabulary, const Options& options)
    : options_(options) {
  const auto total = static_cast<double>(std::accumulate(
      vocabulary.counts.begin(), vocabulary.counts.end(), int64_t{0}));
  uint64_t sum = 0;
  for (const int64_t times : vocabulary.counts) {
    const auto count = static_cast<double>(std::max<int64_t>(times, 1));
    // count^0.75, by roots, which all machines round alike.
    constexpr double kUnit = 1024;
    const double root = std::sqrt(count);
    sum += static_cast<uint64_t>(kUnit * (root * std::sqrt(root)));
    weight_ends_.push_back(sum);
    // This is word2vec's rule: the paper's probability, and a little more.
    double keep = 1;
    if (options.subsample > 0) {
      const double excess = count / (options.subsample * total);
      keep = std::min(1.0, (std::sqrt(excess) + 1) / excess);
    }
    keep_below_.push_back(static_cast<uint64_t>(std::ldexp(keep, kBits)));
  }
}

uint64_t WordPairs::DrawNegative(Stream* stream) const {
  const uint64_t at = stream->Below(weight_ends_.back());
  return std::upper_bound(weight_ends_.begin(), weight_ends_.end(), at) -
         weight_ends_.begin();
}

void WordPairs::Draw(const data::ExampleBatch& documents, ItemId item,
                     int64_t position, data::ExampleBatch* pairs) const {
  pairs->rows = documents.rows;
  pairs->features = kWordFields;
  pairs->sparse = false;
  pairs->keyed = true;
  pairs->labels.clear();
  pairs->ids.clear();
  pairs->keys.clear();
  pairs->fields.clear();
  pairs->offsets.assign(1, 0);
  const auto add = [&](uint16_t field, uint64_t key) {
    pairs->fields.push_back(field);
    pairs->keys.push_back(key);
  };
  std::vector<uint64_t> words;
  for (int64_t row = 0; row < documents.rows; ++row) {
    Stream stream(options_.seed, item, position + row);
    words.clear();
    for (int64_t i = documents.offsets[row]; i < documents.offsets[row + 1];
         ++i) {
      const uint64_t word = documents.keys[i];
      if (stream.Next() >> (64 - kBits) < keep_below_[word]) {
        words.push_back(word);
      }
    }
    const auto size = static_cast<int64_t>(words.size());
    for (int64_t i = 0; i < size; ++i) {
      const auto width = 1 + static_cast<int64_t>(stream.Below(
                                 static_cast<uint64_t>(options_.window)));
      const int64_t first = std::max<int64_t>(0, i - width);
      const int64_t last = std::min(size - 1, i + width);
      if (first == last) continue;  // It is alone.
      add(kCentreField, WordKey(words[i]));
      for (int64_t j = first; j <= last; ++j) {
        if (j == i) continue;
        add(kContextField, ContextKey(words[j]));
        for (int64_t n = 0; n < options_.negatives; ++n) {
          const uint64_t drawn = DrawNegative(&stream);
          // The word itself is not told apart from itself.
          if (drawn == words[j]) continue;
          add(kNegativeField, ContextKey(drawn));
        }
      }
    }
    pairs->offsets.push_back(static_cast<int64_t>(pairs->keys.size()));
  }
  pairs->values.assign(pairs->keys.size(), 1);
}

}  // namespace ebb::workloads

#include "workloads/topics/model/topic_sampler.h"

#include <algorithm>
#include <cmath>

#include "Eigen/Core"
#include "common/example_hash.h"

namespace ebb::workloads {

TopicSampler::TopicSampler(const TopicPriors& priors, int64_t words)
    : topics_(static_cast<size_t>(priors.topics)),
      priors_(priors),
      words_(words),
      places_(words, -1),
      totals_(topics_),
      shares_(topics_),
      document_(topics_),
      sums_(topics_) {}

absl::Status TopicSampler::Begin(std::span<const float> counts,
                                 std::span<const int32_t> batch) {
  using Row = Eigen::Map<const Eigen::ArrayXf>;
  const auto topics = static_cast<int64_t>(topics_);
  // Whole numbers, of which many are small: exact in doubles.
  Eigen::Map<Eigen::ArrayXd> totals(totals_.data(), topics);
  totals.setConstant(priors_.topic * static_cast<double>(words_));
  for (int64_t word = 0; word < words_; ++word) {
    totals += Row(counts.data() + word * topics, topics).cast<double>();
  }
  if (!totals.allFinite()) {
    return absl::OutOfRangeError("the counts of words are not finite");
  }
  for (size_t k = 0; k < topics_; ++k) {
    shares_[k] = static_cast<float>(1 / totals_[k]);
  }
  for (const int32_t word : placed_) places_[word] = -1;
  placed_.clear();
  for (const int32_t word : batch) {
    if (places_[word] >= 0) continue;
    places_[word] = static_cast<int32_t>(placed_.size());
    placed_.push_back(word);
  }
  weights_.resize(placed_.size() * topics_);
  for (const int32_t word : placed_) {
    const auto of_word = counts.subspan(static_cast<size_t>(word) * topics_);
    const std::span<float> weights = WordAt(word);
    for (size_t k = 0; k < topics_; ++k) {
      weights[k] = of_word[k] + static_cast<float>(priors_.topic);
    }
  }
  return absl::OkStatus();
}

// A partition may have changed between the pull of its counts and that of the
// rows, so counts may lack what the rows have: no weight is below the prior.
void TopicSampler::Count(std::span<float> of_word, int32_t topic,
                         float number) {
  of_word[topic] =
      std::max(of_word[topic] + number, static_cast<float>(priors_.topic));
  double& total = totals_[topic];
  total = std::max(total + number, priors_.topic * static_cast<double>(words_));
  shares_[topic] = static_cast<float>(1 / total);
}

double TopicSampler::Draw(std::span<const int32_t> words, uint64_t seed,
                          std::span<int32_t> topics) {
  std::ranges::fill(document_, static_cast<float>(priors_.document));
  int64_t assigned = 0;
  for (const int32_t topic : topics) {
    if (topic == kNoTopic) continue;
    ++document_[topic];
    ++assigned;
  }
  double log_likelihood = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::span<float> of_word = WordAt(words[i]);
    if (topics[i] != kNoTopic) {
      --document_[topics[i]];
      --assigned;
      Count(of_word, topics[i], -1);
    }
    float sum = 0;
    for (size_t k = 0; k < topics_; ++k) {
      sum += document_[k] * of_word[k] * shares_[k];
      sums_[k] = sum;
    }
    const auto drawn = static_cast<float>(UnitOf(HashAppend(seed, i)) * sum);
    // The last one, should rounding leave none.
    const size_t topic = std::min<size_t>(
        std::ranges::upper_bound(sums_, drawn) - sums_.begin(), topics_ - 1);
    log_likelihood +=
        std::log(sum / (static_cast<double>(assigned) +
                        priors_.document * static_cast<double>(topics_)));
    topics[i] = static_cast<int32_t>(topic);
    ++document_[topic];
    ++assigned;
    Count(of_word, topics[i], 1);
  }
  return log_likelihood;
}

}  // namespace ebb::workloads

// Draws which topics the words of documents come from, by collapsed Gibbs
// sampling (Griffiths and Steyvers 2004): each word's topic is drawn given
// those of all other words.
//
//   TopicSampler sampler({.topics = 20, .document = 0.05, .topic = 0.05},
//                        words);
//   EBB_RETURN_IF_ERROR(sampler.Begin(counts, words_of_the_batch));
//   log_likelihood += sampler.Draw(words_of_a_document, seed, topics);
#ifndef EBB_WORKLOADS_TOPICS_MODEL_TOPIC_SAMPLER_H_
#define EBB_WORKLOADS_TOPICS_MODEL_TOPIC_SAMPLER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "workloads/topics/model/topic_inference.h"

namespace ebb::workloads {

// Topics of words that a row of the model's sparse table has.
inline constexpr int64_t kAssignmentsOfARow = 16;

// Not thread-safe.
class TopicSampler {
 public:
  // A word that has no topic yet.
  static constexpr int32_t kNoTopic = -1;

  TopicSampler(const TopicPriors& priors, int64_t words);

  // Takes how many words each topic has from `counts` (words, topics).
  // Documents must have only words of `batch`. kOutOfRange: they are not
  // finite.
  absl::Status Begin(std::span<const float> counts,
                     std::span<const int32_t> batch);

  // Draws the topics of a document's words one after the other. `words` names
  // each as often as it occurs. `topics` has the topics with which they are in
  // the counts, and gets the new ones; the documents after this one are drawn
  // given these. A word without a topic is drawn given those that have one. The
  // draws follow from `seed`. Returns the sum of the logarithms of the words'
  // probabilities, each given the others.
  double Draw(std::span<const int32_t> words, uint64_t seed,
              std::span<int32_t> topics);

 private:
  std::span<float> WordAt(int32_t word) {
    return std::span(weights_).subspan(
        static_cast<size_t>(places_[word]) * topics_, topics_);
  }
  // Adds to what the topic has of the word of `of_word`, and in all.
  void Count(std::span<float> of_word, int32_t topic, float number);

  const size_t topics_;
  const TopicPriors priors_;
  const int64_t words_;

  // The batch.
  std::vector<int32_t> places_;  // By word: its row in weights_; -1: none.
  std::vector<int32_t> placed_;  // The words that have one.
  std::vector<float> weights_;   // Counts with the prior (words, topics).
  std::vector<double> totals_;   // The same over all words, by topic.
  std::vector<float> shares_;    // 1 / totals_.

  // The document.
  std::vector<float> document_;  // Words with the prior, by topic.
  std::vector<float> sums_;      // Weights up to and with each topic.
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_TOPICS_MODEL_TOPIC_SAMPLER_H_

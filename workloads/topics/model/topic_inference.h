// Infers which topics the words of a document come from, as variational Bayes
// does (Blei, Ng and Jordan 2003, section 5.2).
//
//   TopicInference inference({.topics = 20, .document = 0.05, .topic = 0.05},
//                            words);
//   EBB_RETURN_IF_ERROR(inference.Begin(counts, start, words_of_the_batch));
//   inference.Infer(document);
//   inference.TopicShares(shares);
#ifndef EBB_WORKLOADS_TOPICS_MODEL_TOPIC_INFERENCE_H_
#define EBB_WORKLOADS_TOPICS_MODEL_TOPIC_INFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"

namespace ebb::workloads {

// The tensor of an exported model that has the shares of words in topics.
inline constexpr char kTopicShares[] = "topics";

struct TopicPriors {
  int64_t topics = 0;
  double document = 0;  // Alpha: of the topics of a document.
  double topic = 0;     // Eta: of the words of a topic.
  // Decides how topics differ before anything is learnt.
  uint64_t seed = 0;
};

// The prior that a job has which names this one; 0: it names none.
double PriorOf(double named, int64_t topics);

// Numbers of words, and how often each occurs. Not owned.
struct Document {
  std::span<const int32_t> words;
  std::span<const float> counts;
};

// The derivative of the logarithm of the gamma function, right to about 1e-11
// for x > 0.
double Digamma(double x);

// Not thread-safe.
class TopicInference {
 public:
  TopicInference(const TopicPriors& priors, int64_t words);

  // Takes the topics from `counts` (words, topics), where a negative value, as
  // rounding may make one, counts as 0. Documents must have only words of
  // `batch`. To infer their topics, `start` times about 1 is added to each
  // count: without it all topics would be one before the first step. Refers to
  // `counts` until the next call. kOutOfRange: they are not finite.
  absl::Status Begin(std::span<const float> counts, float start,
                     std::span<const int32_t> batch);

  // Finds the topics of a document. The methods below are of the last one.
  void Infer(const Document& document);

  // Adds `scale` times the expected number of words of each topic to `sums`
  // (words, topics).
  void AddShares(const Document& document, double scale, std::span<float> sums);

  // Writes the expected share of each topic.
  void TopicShares(std::span<float> shares) const;

  // The logarithm of the probability of these words, whose topics are shared
  // out as those of the document that was inferred.
  double LogLikelihood(const Document& document);

 private:
  std::span<const float> WordAt(int32_t word) const {
    return std::span(weights_).subspan(
        static_cast<size_t>(places_[word]) * topics_, topics_);
  }
  // Sets document_weights_.
  void WeighDocument();
  // Sets ratios_.
  void WeighWords(const Document& document);

  const size_t topics_;
  const TopicPriors priors_;
  const int64_t words_;

  // The batch.
  std::span<const float> counts_;
  // Counts and priors summed over all words, by topic.
  std::vector<double> totals_;
  std::vector<int32_t> places_;  // By word: its row in weights_; -1: none.
  std::vector<int32_t> placed_;  // The words that have one.
  std::vector<float> noise_;     // The addend of a word.
  // exp(E[log beta]) of the words of the batch (words, topics), divided by the
  // largest of each word: only ratios matter.
  std::vector<float> weights_;
  std::vector<double> logs_;

  // The document.
  std::vector<double> gamma_;
  std::vector<float> document_weights_;  // exp(E[log theta]), likewise.
  std::vector<float> ratios_;  // By word: count / sum over topics of weights.
  std::vector<float> sums_;
  std::vector<double> mixed_;
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_TOPICS_MODEL_TOPIC_INFERENCE_H_

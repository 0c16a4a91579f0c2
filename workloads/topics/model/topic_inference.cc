#include "workloads/topics/model/topic_inference.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "Eigen/Core"
#include "common/initializer.h"

namespace ebb::workloads {
namespace {

// scikit-learn has the same limits: a document is done when its counts of
// topics move by less than this on average.
constexpr int kMostIterations = 100;
constexpr double kLeastMove = 1e-3;
// Weights are at most 1. The product of the two smallest is a normal float, so
// that each word comes from some topic.
constexpr double kLeastWeight = 1e-15;
// Around 1, as in the paper's programs: a word that a topic lacks at the start
// would never come into it.
constexpr float kDeviation = 0.1f;
constexpr float kLeastStart = 1e-6f;  // Smaller ones are left out.

using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

ConstRow RowOf(std::span<const float> values) {
  return {values.data(), std::ssize(values)};
}

// Writes exp(log) by the largest of them.
void WeightsOf(std::span<const double> logs, std::span<float> weights) {
  const double largest = *std::ranges::max_element(logs);
  for (size_t k = 0; k < logs.size(); ++k) {
    weights[k] =
        static_cast<float>(std::max(kLeastWeight, std::exp(logs[k] - largest)));
  }
}

}  // namespace

double PriorOf(double named, int64_t topics) {
  return named > 0 ? named : 1 / static_cast<double>(topics);
}

// Psi(x) = Psi(x + 1) - 1 / x, and from 6 up its asymptotic series (Abramowitz
// and Stegun 1964, 6.3.5 and 6.3.18).
double Digamma(double x) {
  double below = 0;
  for (; x < 6; ++x) below -= 1 / x;
  const double f = 1 / (x * x);
  return below + std::log(x) - 0.5 / x -
         f * (1.0 / 12 -
              f * (1.0 / 120 -
                   f * (1.0 / 252 -
                        f * (1.0 / 240 - f * (1.0 / 132 - f * 691 / 32760)))));
}

TopicInference::TopicInference(const TopicPriors& priors, int64_t words)
    : topics_(static_cast<size_t>(priors.topics)),
      priors_(priors),
      words_(words),
      totals_(topics_),
      places_(words, -1),
      noise_(topics_),
      logs_(topics_),
      gamma_(topics_),
      document_weights_(topics_),
      sums_(topics_),
      mixed_(topics_) {}

absl::Status TopicInference::Begin(std::span<const float> counts, float start,
                                   std::span<const int32_t> batch) {
  counts_ = counts;
  std::ranges::fill(totals_, static_cast<double>(words_) * priors_.topic);
  Eigen::Map<Eigen::ArrayXd> totals(totals_.data(), std::ssize(totals_));
  for (size_t at = 0; at < counts.size(); at += topics_) {
    totals += RowOf(counts.subspan(at, topics_)).cwiseMax(0.0f).cast<double>();
  }
  if (!totals.isFinite().all() || !std::isfinite(start)) {
    return absl::OutOfRangeError("the counts of words are not finite");
  }
  for (const int32_t word : placed_) places_[word] = -1;
  placed_.clear();
  for (const int32_t word : batch) {
    if (places_[word] >= 0) continue;
    places_[word] = static_cast<int32_t>(placed_.size());
    placed_.push_back(word);
  }
  if (start < kLeastStart) start = 0;
  std::vector<double>& total_logs = mixed_;
  for (size_t k = 0; k < topics_; ++k) {
    total_logs[k] = Digamma(totals_[k] + start * static_cast<double>(words_));
  }
  const RowInitializer noise(InitRule::Normal(kDeviation), priors_.seed,
                             "start");
  weights_.resize(placed_.size() * topics_);
  for (size_t i = 0; i < placed_.size(); ++i) {
    const auto of_word =
        counts.subspan(static_cast<size_t>(placed_[i]) * topics_, topics_);
    if (start > 0) noise.Fill(static_cast<uint64_t>(placed_[i]), noise_);
    for (size_t k = 0; k < topics_; ++k) {
      const float more = start > 0 ? start * (1 + noise_[k]) : 0;
      logs_[k] = Digamma(priors_.topic + std::max(of_word[k], 0.0f) + more) -
                 total_logs[k];
    }
    WeightsOf(logs_, std::span(weights_).subspan(i * topics_, topics_));
  }
  return absl::OkStatus();
}

void TopicInference::WeighDocument() {
  std::ranges::transform(gamma_, logs_.begin(), Digamma);
  WeightsOf(logs_, document_weights_);
}

void TopicInference::WeighWords(const Document& document) {
  const ConstRow weights = RowOf(document_weights_);
  ratios_.resize(document.words.size());
  for (size_t i = 0; i < document.words.size(); ++i) {
    ratios_[i] =
        document.counts[i] / (weights * RowOf(WordAt(document.words[i]))).sum();
  }
}

void TopicInference::Infer(const Document& document) {
  const double words =
      std::accumulate(document.counts.begin(), document.counts.end(), 0.0);
  const double topics = static_cast<double>(topics_);
  std::ranges::fill(gamma_, priors_.document + words / topics);
  Row sums(sums_.data(), std::ssize(sums_));
  for (int iteration = 0; iteration < kMostIterations; ++iteration) {
    WeighDocument();
    WeighWords(document);
    sums.setZero();
    for (size_t i = 0; i < document.words.size(); ++i) {
      sums += ratios_[i] * RowOf(WordAt(document.words[i]));
    }
    double moved = 0;
    for (size_t k = 0; k < topics_; ++k) {
      const double next = priors_.document +
                          static_cast<double>(document_weights_[k]) * sums_[k];
      moved += std::abs(next - gamma_[k]);
      gamma_[k] = next;
    }
    if (moved < kLeastMove * topics) break;
  }
}

void TopicInference::AddShares(const Document& document, double scale,
                               std::span<float> sums) {
  WeighDocument();
  WeighWords(document);
  const ConstRow weights = RowOf(document_weights_);
  for (size_t i = 0; i < document.words.size(); ++i) {
    const auto at = static_cast<size_t>(document.words[i]) * topics_;
    Row sum(sums.data() + at, static_cast<int64_t>(topics_));
    // Factors below 1 come first: a ratio may be as large as a float can be.
    sum += static_cast<float>(scale) *
           (ratios_[i] * (weights * RowOf(WordAt(document.words[i]))));
  }
}

void TopicInference::TopicShares(std::span<float> shares) const {
  const double total = std::accumulate(gamma_.begin(), gamma_.end(), 0.0);
  for (size_t k = 0; k < topics_; ++k) {
    shares[k] = static_cast<float>(gamma_[k] / total);
  }
}

double TopicInference::LogLikelihood(const Document& document) {
  const double total = std::accumulate(gamma_.begin(), gamma_.end(), 0.0);
  for (size_t k = 0; k < topics_; ++k) {
    mixed_[k] = gamma_[k] / (total * totals_[k]);
  }
  double sum = 0;
  for (size_t i = 0; i < document.words.size(); ++i) {
    if (document.counts[i] == 0) continue;
    const auto of_word = counts_.subspan(
        static_cast<size_t>(document.words[i]) * topics_, topics_);
    double probability = 0;
    for (size_t k = 0; k < topics_; ++k) {
      probability += mixed_[k] * (priors_.topic + std::max(of_word[k], 0.0f));
    }
    sum += document.counts[i] * std::log(probability);
  }
  return sum;
}

}  // namespace ebb::workloads

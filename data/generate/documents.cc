#include "data/generate/documents.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/generate/decimal.h"
#include "data/generate/portable_math.h"

namespace ebb::data::generate {
namespace {

constexpr int64_t kMostShares = int64_t{1} << 24;
constexpr int64_t kMostListedShares = 100'000;  // In the truth.

double AboveZero(Draws* draws) { return 1 - draws->Uniform(); }

// A number of the gamma distribution (Marsaglia and Tsang 2000), as far as
// Draws::Normal() is normal.
double Gamma(double shape, Draws* draws) {
  if (shape < 1) {
    const double smaller = Exp(Log(AboveZero(draws)) / shape);
    return Gamma(shape + 1, draws) * smaller;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = draws->Normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (Log(AboveZero(draws)) < 0.5 * x * x + d * (1 - v + Log(v))) {
      return d * v;
    }
  }
}

// Shares of the Dirichlet distribution. The first is 1 if all draws are too
// small to be told from 0.
void Dirichlet(double prior, Draws* draws, std::span<double> shares) {
  for (double& share : shares) share = Gamma(prior, draws);
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (sum > 0) {
    for (double& share : shares) share /= sum;
  } else {
    std::ranges::fill(shares, 0.0);
    shares.front() = 1;
  }
}

// The place whose share a number drawn evenly falls into.
int64_t PlaceOf(double number, std::span<const double> sums) {
  const auto at = std::ranges::upper_bound(sums, number * sums.back());
  return std::min(at - sums.begin(), std::ssize(sums) - 1);
}

}  // namespace

absl::Status DocumentOptions::Validate() const {
  EBB_RETURN_IF_ERROR(
      CheckBetween("--topics", topics, int64_t{1}, kMostShares));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--vocabulary", vocabulary, int64_t{1}, kMostShares));
  EBB_RETURN_IF_ERROR(CheckBetween("--topics times --vocabulary",
                                   topics * vocabulary, int64_t{1},
                                   kMostShares));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--words", words, int64_t{1}, int64_t{1'000'000}));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--document-prior", document_prior, 0.01, 1000.0));
  return CheckBetween("--topic-prior", topic_prior, 0.01, 1000.0);
}

Documents::Documents(const DocumentOptions& options)
    : options_(options), shares_(options.topics * options.vocabulary) {
  sums_.resize(shares_.size());
  for (int64_t k = 0; k < options.topics; ++k) {
    const int64_t begin = k * options.vocabulary;
    const auto shares = std::span(shares_).subspan(begin, options.vocabulary);
    Draws draws(options.seed, Part::kCalibration, k);
    Dirichlet(options.topic_prior, &draws, shares);
    std::partial_sum(shares.begin(), shares.end(), sums_.begin() + begin);
  }
}

std::span<const double> Documents::SumsOf(int64_t topic) const {
  return std::span(sums_).subspan(topic * options_.vocabulary,
                                  options_.vocabulary);
}

std::vector<Fact> Documents::Model() const {
  if (shares_.size() > kMostListedShares) return {};
  return {{"topics", shares_}};
}

void Documents::Start(Part part, int64_t /*rows*/,
                      std::span<std::string> files) {
  part_ = part;
  log_likelihood_ = 0;
  words_ = 0;
  for (int64_t i = 0; i < options_.vocabulary; ++i) {
    absl::StrAppend(&files[1], "word", i, "\n");
  }
}

void Documents::Append(int64_t row, std::span<std::string> files) {
  Draws draws(options_.seed, part_, row);
  std::vector<double> shares(options_.topics);
  Dirichlet(options_.document_prior, &draws, shares);
  std::vector<double> sums(shares.size());
  std::partial_sum(shares.begin(), shares.end(), sums.begin());
  const int64_t length = options_.words / 2 + 1 + draws.Below(options_.words);
  counts_.clear();
  for (int64_t i = 0; i < length; ++i) {
    const int64_t topic = PlaceOf(draws.Uniform(), sums);
    ++counts_[PlaceOf(draws.Uniform(), SumsOf(topic))];
  }
  AppendInteger(std::ssize(counts_), &files[0]);
  for (const auto& [word, count] : counts_) {
    absl::StrAppend(&files[0], " ", word, ":", count);
    double probability = 0;
    for (int64_t k = 0; k < options_.topics; ++k) {
      probability += shares[k] * shares_[k * options_.vocabulary + word];
    }
    log_likelihood_ += static_cast<double>(count) * Log(probability);
  }
  words_ += length;
  files[0].push_back('\n');
}

std::vector<Fact> Documents::Known() const {
  if (words_ == 0) return {};
  return {{"words", words_},
          {"perplexity", Exp(-log_likelihood_ / static_cast<double>(words_))}};
}

}  // namespace ebb::data::generate

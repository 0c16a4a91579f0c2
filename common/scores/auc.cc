#include "common/scores/auc.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ebb {

namespace {

// The bits of a float that is not negative rise with it, so that a bin is a
// prefix of them. Bins near 1 are as narrow as those near 0.
constexpr int kDroppedBits = 13;
constexpr uint32_t kHalf =
    std::bit_cast<uint32_t>(0.5f) >> kDroppedBits;  // The bin in the middle.
constexpr size_t kBins = size_t{2} * kHalf + 1;

size_t BinOf(float probability) {
  const float p = std::clamp(probability, 0.0f, 1.0f) + 0.0f;  // -0 is 0.
  if (p <= 0.5f) return std::bit_cast<uint32_t>(p) >> kDroppedBits;
  return kBins - 1 - (std::bit_cast<uint32_t>(1 - p) >> kDroppedBits);
}

}  // namespace

void Auc::Count(float probability, bool positive) {
  Counts& bin = bins_[BinOf(probability)];
  ++(positive ? bin.positive : bin.negative);
}

void Auc::Add(float probability, bool positive) {
  if (std::isnan(probability)) nan_ = true;
  if (nan_) return;
  if (!bins_.empty()) return Count(probability, positive);
  if (positive_.size() + negative_.size() < most_exact_) {
    return (positive ? positive_ : negative_).push_back(probability);
  }
  bins_.resize(kBins);
  for (const float p : positive_) Count(p, true);
  for (const float p : negative_) Count(p, false);
  positive_ = {};
  negative_ = {};
  Count(probability, positive);
}

std::vector<Auc::Counts> Auc::Ascending() const {
  if (!bins_.empty()) return bins_;
  std::vector<float> positive = positive_, negative = negative_;
  std::ranges::sort(positive);
  std::ranges::sort(negative);
  std::vector<Counts> counts;
  auto p = positive.begin(), n = negative.begin();
  while (p != positive.end() || n != negative.end()) {
    const float next = p == positive.end()   ? *n
                       : n == negative.end() ? *p
                                             : std::min(*p, *n);
    Counts& one = counts.emplace_back();
    for (; p != positive.end() && *p == next; ++p) ++one.positive;
    for (; n != negative.end() && *n == next; ++n) ++one.negative;
  }
  return counts;
}

std::optional<double> Auc::Value() const {
  if (nan_) return std::nullopt;
  // Pairs that are in order, and half of the ties: exact in doubles up to 2^53.
  double ordered = 0, positives = 0, negatives = 0;
  for (const Counts& one : Ascending()) {
    const auto positive = static_cast<double>(one.positive);
    const auto negative = static_cast<double>(one.negative);
    ordered += positive * (negatives + negative / 2);
    positives += positive;
    negatives += negative;
  }
  if (positives == 0 || negatives == 0) return std::nullopt;
  return ordered / (positives * negatives);
}

}  // namespace ebb

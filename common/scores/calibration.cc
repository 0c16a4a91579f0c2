#include "common/scores/calibration.h"

#include <algorithm>
#include <cmath>

namespace ebb {

CalibrationBin Calibration::Sums::Bin() const {
  if (examples == 0) return {};
  const auto count = static_cast<double>(examples);
  return {examples, probabilities / count,
          static_cast<double>(positives) / count};
}

void Calibration::Add(float probability, bool positive) {
  // Also false for NaN.
  if (!(probability >= 0 && probability <= 1)) {
    probabilities_ = false;
    return;
  }
  // The product is exact: a float has 24 bits.
  const double place =
      std::ceil(static_cast<double>(probability) * kCalibrationBins);
  const auto bin = std::max<int64_t>(static_cast<int64_t>(place) - 1, 0);
  Sums& sums = bins_[bin];
  ++sums.examples;
  if (positive) ++sums.positives;
  sums.probabilities += probability;
  ++examples_;
}

std::optional<double> Calibration::Error() const {
  if (!probabilities_ || examples_ == 0) return std::nullopt;
  double error = 0;
  for (const Sums& sums : bins_) {
    error += std::abs(static_cast<double>(sums.positives) - sums.probabilities);
  }
  return error / static_cast<double>(examples_);
}

std::vector<CalibrationBin> Calibration::Bins() const {
  std::vector<CalibrationBin> bins;
  if (!Error()) return bins;
  for (const Sums& sums : bins_) bins.push_back(sums.Bin());
  return bins;
}

}  // namespace ebb

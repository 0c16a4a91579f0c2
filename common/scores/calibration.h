// Measures whether the probabilities of a two-class model come true: of the
// examples to which it gives 0.8, 80 % should be of the positive class.
//
//   Calibration calibration;
//   calibration.Add(/*probability=*/0.8f, /*positive=*/true);
//   if (const auto error = calibration.Error()) ...
#ifndef EBB_COMMON_SCORES_CALIBRATION_H_
#define EBB_COMMON_SCORES_CALIBRATION_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/scores/figures.h"

namespace ebb {

inline constexpr int64_t kCalibrationBins = 10;

// Counts probabilities in bins of equal width. A bin has its upper bound and
// not its lower one, as in Guo et al. 2017 and in scikit-learn's
// calibration_curve; 0 is in the first bin.
//
// Thread-compatible.
class Calibration {
 public:
  // `probability` is that of the positive class, and `positive` says whether
  // the example is of it.
  void Add(float probability, bool positive);

  // The expected calibration error (Naeini et al. 2015): the mean over the
  // examples of how far their bin's mean probability is from the share of its
  // examples that are of the class. Absent before the first example, or
  // if a prediction was not from 0 to 1: it was not a probability.
  std::optional<double> Error() const;

  // kCalibrationBins bins, the lowest first. Empty where Error() is absent.
  std::vector<CalibrationBin> Bins() const;

 private:
  struct Sums {
    int64_t examples = 0;
    int64_t positives = 0;
    double probabilities = 0;

    CalibrationBin Bin() const;
  };

  std::array<Sums, kCalibrationBins> bins_;
  int64_t examples_ = 0;
  bool probabilities_ = true;  // All predictions were.
};

}  // namespace ebb

#endif  // EBB_COMMON_SCORES_CALIBRATION_H_

// How good a model's predictions are, in the figures that people use.
//
//   Scores scores(Task::kTwoClasses, /*outputs=*/1);
//   scores.Add(labels, probabilities);
//   const Figures figures = scores.Get();
//   figures.Find(kAuc);
#ifndef EBB_COMMON_SCORES_SCORES_H_
#define EBB_COMMON_SCORES_SCORES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/scores/auc.h"
#include "common/scores/calibration.h"
#include "common/scores/figures.h"

namespace ebb {

// Converts a value that a model sees to the units of its user: value * unit +
// mean.
struct ValueUnits {
  double mean = 0;
  double unit = 1;

  double Undo(double value) const { return value * unit + mean; }
};

// Adds up labels and predictions. It keeps no example, except for the AUC
// (auc.h), so that its memory is bounded by the square of the classes, or by
// their number where they are more than kMostConfusedClasses.
//
// Thread-compatible.
class Scores {
 public:
  // `outputs` is how many numbers a prediction has: of two classes one (the
  // probability of the second) or two, of more classes the probability of each,
  // of values one. Figures of values are in the units of the user. Precision,
  // recall, F1 and the calibration of two classes are those of `positive`, 0
  // or 1.
  Scores(Task task, int64_t outputs, ValueUnits units = {},
         int64_t positive = 1);

  // `predictions` is (labels.size(), outputs). The label of two classes is 1,
  // or else 0 or -1; of more classes the number of the class.
  void Add(std::span<const float> labels, std::span<const float> predictions);

  // Empty before the first example. A figure that means nothing for these
  // examples is missing: the AUC if only one class occurs, R2 if all labels are
  // equal. So are the calibration error and its bins if a prediction is not
  // from 0 to 1. If predictions are not finite, figures are not, either.
  Figures Get() const;

 private:
  struct ClassCounts {
    int64_t labels = 0;
    int64_t predictions = 0;
    int64_t right = 0;

    double F1() const;
  };

  void AddClass(int64_t label, std::span<const float> prediction);
  void AddValue(double label, double prediction);
  void FindClasses(Figures* figures) const;
  void FindTwoClasses(Figures* figures) const;
  void FindValues(Figures* figures) const;

  const Task task_;
  const int64_t outputs_;
  const ValueUnits units_;
  const int64_t positive_;
  double examples_ = 0;

  // Classes.
  std::vector<ClassCounts> classes_;
  std::vector<int64_t> confusion_;
  double log_loss_ = 0;
  Auc auc_;
  Calibration calibration_;

  // Values. The labels' mean and their squared distance from it are kept as
  // they go (Welford 1962), for the squares of large labels would cancel.
  double mean_ = 0;
  double squares_ = 0;
  double squared_errors_ = 0;
  double absolute_errors_ = 0;
};

}  // namespace ebb

#endif  // EBB_COMMON_SCORES_SCORES_H_

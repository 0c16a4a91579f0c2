// The figures that people judge a model by, and what each of them means.
#ifndef EBB_COMMON_SCORES_FIGURES_H_
#define EBB_COMMON_SCORES_FIGURES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb {

// The kind of a model's predictions.
enum class Task { kTwoClasses, kClasses, kValues };

inline constexpr absl::string_view kAccuracy = "accuracy";
inline constexpr absl::string_view kLogLoss = "log_loss";
inline constexpr absl::string_view kAuc = "auc";
inline constexpr absl::string_view kPrecision = "precision";
inline constexpr absl::string_view kRecall = "recall";
// With more than two classes the mean of the classes' F1 (macro F1).
inline constexpr absl::string_view kF1 = "f1";
// Expected calibration error (calibration.h).
inline constexpr absl::string_view kCalibrationError = "calibration_error";
inline constexpr absl::string_view kRmse = "rmse";
inline constexpr absl::string_view kMae = "mae";
inline constexpr absl::string_view kR2 = "r2";
// The same figure of a model that always says the commonest class of the test
// data with the classes' shares, or the mean of the test data.
inline constexpr absl::string_view kBaselineAccuracy = "baseline_accuracy";
inline constexpr absl::string_view kBaselineLogLoss = "baseline_log_loss";
inline constexpr absl::string_view kBaselineRmse = "baseline_rmse";

// A figure that people may expect something of; baselines are none.
struct FigureKind {
  absl::string_view name;   // Its name in job files and reports.
  absl::string_view title;  // Its name for people.
  bool two_classes = false;
  bool classes = false;
  bool values = false;

  bool Suits(Task task) const {
    return task == Task::kTwoClasses ? two_classes
           : task == Task::kClasses  ? classes
                                     : values;
  }
};
// All of them, in the order in which reports list them.
std::span<const FigureKind> FigureKinds();
// Null: there is no figure of that name.
const FigureKind* FindFigureKind(absl::string_view name);

struct Figure {
  std::string name;
  double value = 0;
  friend bool operator==(const Figure&, const Figure&) = default;
};

// Bounds of one evaluation.
inline constexpr int64_t kMostFigures = 32;
inline constexpr int64_t kMostConfusedClasses = 32;
inline constexpr int64_t kMostCalibrationBins = 100;

// Examples of two classes whose predicted probabilities are alike.
struct CalibrationBin {
  int64_t examples = 0;
  double predicted = 0;  // Mean probability of the positive class.
  double observed = 0;   // Share of the examples that are of that class.
  friend bool operator==(const CalibrationBin&,
                         const CalibrationBin&) = default;
};

// The results of an evaluation.
struct Figures {
  std::vector<Figure> named;
  // How many examples of each class were taken for each class: the row is the
  // label, the column the prediction. Empty for values, and where there are
  // more than kMostConfusedClasses classes.
  std::vector<int64_t> confusion;
  // Two classes: bins of equal width from 0 to 1, also those without examples,
  // where both shares are 0. Empty where there is no calibration error.
  std::vector<CalibrationBin> calibration;

  std::optional<double> Find(absl::string_view name) const;
  friend bool operator==(const Figures&, const Figures&) = default;
};

}  // namespace ebb

#endif  // EBB_COMMON_SCORES_FIGURES_H_

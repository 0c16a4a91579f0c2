#include "scheduler/job/course.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/scores/figures.h"
#include "common/scores/perplexity.h"

namespace ebb::scheduler {

std::optional<double> FigureOf(const Evaluation& evaluation,
                               absl::string_view figure) {
  if (!evaluation.error.empty()) return std::nullopt;
  std::optional<double> value = evaluation.figures.Find(figure);
  if (figure == "loss") value = evaluation.loss;
  // An older worker sends no figures, and the accuracy all the same.
  if (figure == kAccuracy && evaluation.accuracy >= 0) {
    value = evaluation.accuracy;
  }
  return value && std::isfinite(*value) ? value : std::nullopt;
}

bool LowerIsBetter(absl::string_view figure) {
  constexpr std::array<absl::string_view, 6> kErrors = {
      "loss", kLogLoss, kRmse, kMae, kPerplexity, kCalibrationError};
  return std::ranges::find(kErrors, figure) != kErrors.end();
}

bool IsBetter(absl::string_view figure, const Evaluation& one,
              const Evaluation* than, double min_delta) {
  const std::optional<double> value = FigureOf(one, figure);
  if (!value) return false;
  const std::optional<double> other =
      than == nullptr ? std::nullopt : FigureOf(*than, figure);
  if (!other) return true;
  return LowerIsBetter(figure) ? *value < *other - min_delta
                               : *value > *other + min_delta;
}

Course CourseOf(const std::vector<Evaluation>& evaluations,
                absl::string_view figure, double min_delta) {
  Course course;
  for (const Evaluation& one : evaluations) {
    if (!one.error.empty()) continue;
    ++course.since;
    if (IsBetter(figure, one, course.best, min_delta)) {
      course = {.best = &one, .since = 0};
    }
  }
  return course;
}

}  // namespace ebb::scheduler

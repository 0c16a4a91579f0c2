#include "scheduler/job/course.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/match.h"
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

bool Yardstick::LowerIsBetter() const {
  if (larger_is_better) return !*larger_is_better;
  constexpr std::array<absl::string_view, 5> kErrors = {"loss", "error", "mse",
                                                        kMae, kPerplexity};
  return std::ranges::any_of(kErrors, [this](absl::string_view word) {
    return absl::StrContains(figure, word);
  });
}

Yardstick YardstickOf(const job::TrainingFacts& facts,
                      absl::string_view figure) {
  Yardstick by = {.figure = figure};
  if (facts.stop && facts.stop->figure == figure) {
    by.larger_is_better = facts.stop->larger_is_better;
  }
  return by;
}

bool IsBetter(const Yardstick& by, const Evaluation& one,
              const Evaluation* than) {
  const std::optional<double> value = FigureOf(one, by.figure);
  if (!value) return false;
  const std::optional<double> other =
      than == nullptr ? std::nullopt : FigureOf(*than, by.figure);
  if (!other) return true;
  return by.LowerIsBetter() ? *value < *other - by.min_delta
                            : *value > *other + by.min_delta;
}

bool Reaches(const Yardstick& by, const Evaluation& one, double wanted) {
  const std::optional<double> value = FigureOf(one, by.figure);
  if (!value) return false;
  return by.LowerIsBetter() ? *value <= wanted : *value >= wanted;
}

Course CourseOf(const std::vector<Evaluation>& evaluations,
                const Yardstick& by) {
  Course course;
  for (const Evaluation& one : evaluations) {
    if (!one.error.empty()) continue;
    ++course.since;
    if (!FigureOf(one, by.figure)) ++course.without;
    if (IsBetter(by, one, course.best)) course = {.best = &one};
  }
  return course;
}

}  // namespace ebb::scheduler

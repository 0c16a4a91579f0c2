// The course of a job's evaluations by one figure: which is the best, and how
// many came since. A function of the evaluations alone, so a scheduler that
// starts anew decides the same.
//
// Pure functions.
#ifndef EBB_SCHEDULER_JOB_COURSE_H_
#define EBB_SCHEDULER_JOB_COURSE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "job/training_facts.h"
#include "scheduler/job/job_state.h"

namespace ebb::scheduler {

// The figure, named as in `expect`, of an evaluation. nullopt: the evaluation
// failed, does not have the figure, or it is NaN or infinite.
std::optional<double> FigureOf(const Evaluation& evaluation,
                               absl::string_view figure);

// The measure by which an evaluation is better than another.
struct Yardstick {
  absl::string_view figure;  // See FigureOf.
  double min_delta = 0;      // Better by no more than this does not count.
  // nullopt: the name says it. Losses and errors are better if they are
  // smaller.
  std::optional<bool> larger_is_better = std::nullopt;

  bool LowerIsBetter() const;
};
// The one of a job for this figure. `facts` and `figure` outlive it.
Yardstick YardstickOf(const job::TrainingFacts& facts,
                      absl::string_view figure);

// Returns whether the first is better than the second. One without the figure
// is never better; each other is better than one without it, and than null.
bool IsBetter(const Yardstick& by, const Evaluation& one,
              const Evaluation* than);
// Returns whether the figure is as good as `wanted`, or better.
bool Reaches(const Yardstick& by, const Evaluation& one, double wanted);

struct Course {
  const Evaluation* best = nullptr;  // Null: none has the figure.
  // Evaluations after the best, or all, that were made; a failed one is none.
  int64_t since = 0;
  // How many of these lack the figure, or have one that is not finite.
  int64_t without = 0;
};
// `best` points into `evaluations`, which are in the order of their epochs.
Course CourseOf(const std::vector<Evaluation>& evaluations,
                const Yardstick& by);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_COURSE_H_

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
#include "scheduler/job/job_state.h"

namespace ebb::scheduler {

// The figure, named as in `expect`, of an evaluation. nullopt: the evaluation
// failed, does not have the figure, or it is NaN or infinite.
std::optional<double> FigureOf(const Evaluation& evaluation,
                               absl::string_view figure);

// Whether a smaller value is better: so of the loss and of errors.
bool LowerIsBetter(absl::string_view figure);

// Whether the first is better than the second by more than `min_delta`. One
// without the figure is never better; each other is better than one without it,
// and than null.
bool IsBetter(absl::string_view figure, const Evaluation& one,
              const Evaluation* than, double min_delta);

struct Course {
  const Evaluation* best = nullptr;  // Null: none has the figure.
  // Evaluations after the best, or all, that were made; a failed one is none.
  int64_t since = 0;
};
// `best` points into `evaluations`, which are in the order of their epochs.
Course CourseOf(const std::vector<Evaluation>& evaluations,
                absl::string_view figure, double min_delta);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_COURSE_H_

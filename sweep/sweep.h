// Decides what a sweep does next, from what is known of its trials. It does no
// I/O and keeps nothing: the trials' jobs, as a scheduler has them, are all of
// its state. So a driver may die at any point, and the next one goes on.
//
//   for (;;) {
//     ... read the trials from the scheduler ...
//     const Step step = NextStep(sweep, trials, now_unix_ms);
//     ... cancel the jobs of step.stop, submit those of step.begin ...
//     if (step.done) break;
//   }
#ifndef EBB_SWEEP_SWEEP_H_
#define EBB_SWEEP_SWEEP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/scores/figures.h"
#include "sweep/halving.h"
#include "sweep/sampler.h"
#include "sweep/space.h"

namespace ebb::sweep {

// No further trial begins once one of these is used up. Absent: no bound.
struct Budget {
  std::optional<int64_t> trials;       // With folds: points of the space.
  std::optional<int64_t> examples;     // Applied by all trials together.
  std::optional<absl::Duration> time;  // Since the first trial began.
};

struct Sweep {
  std::string name;
  Method method = Method::kRandom;
  uint64_t seed = 1;
  int parallel = 2;  // Trials that train at once.
  Budget budget;
  std::string metric;     // "accuracy", "loss": as `expect:` has it.
  bool maximise = false;  // Larger values of the metric are better.
  std::optional<Halving> halving;
  Space space;
  // Trials of each point of the space, one for each fold of the job's data
  // (sweep/folds.h). 0: the job is not cross-validated.
  int64_t folds = 0;
};

enum class TrialState {
  kRunning,   // Submitted, and not over.
  kComplete,  // It trained to its end.
  kStopped,   // Cancelled.
};

struct Trial {
  int64_t number = 0;  // From 0.
  uint64_t job = 0;    // The scheduler's number.
  Choices choices;
  TrialState state = TrialState::kRunning;
  int32_t epochs = 0;              // Epochs of its job.
  std::vector<Measured> measured;  // Smaller is better, whatever the metric.
  std::vector<Figure> figures;     // All that people read of the last one.
  // The class that a figure of one class is of; empty: it is not known.
  std::string positive_class;
  // The deviation of the folds' results, if it stands for all folds
  // (sweep/folds.h).
  std::optional<double> deviation;
  int64_t examples = 0;  // Applied.
  int64_t began_unix_ms = 0;
  int64_t ended_unix_ms = 0;  // 0: it has not, or that is not known.
  // It runs, but nothing trains it now: it is paused, or has no workers.
  bool idle = false;
  // How long it trained, once it is over; absent: that is not known. With folds
  // all of them together.
  std::optional<double> seconds;
  // Why it cannot go on by itself, for people; empty: it can.
  std::string trouble;
};

// The metric with the sign that makes smaller values better, and back.
double Directed(const Sweep& sweep, double value);

// The trial's result so far, smaller is better; absent: it has none, or none
// that is a number.
std::optional<double> ResultOf(const Trial& trial);

struct Step {
  struct Begin {
    int64_t number = 0;
    Choices choices;
  };
  struct Stop {
    int64_t number = 0;
    uint64_t job = 0;
  };
  std::vector<Begin> begin;
  std::vector<Stop> stop;
  bool done = false;  // No trial runs, and none will begin.
  std::string why;    // Why no further trial begins; empty: more will.
};

// `trials` has all trials that were submitted, by number.
Step NextStep(const Sweep& sweep, const std::vector<Trial>& trials,
              int64_t now_unix_ms);

// Why the trial was stopped, as a sentence's end: "at epoch 3 by halving".
// Empty: it was not stopped.
std::string WhyStopped(const Sweep& sweep, const std::vector<Trial>& trials,
                       size_t index);

// How many trials were complete before the sweep could stop them, as halving
// would have: they train too quickly for it.
int64_t TooQuickToStop(const Sweep& sweep, const std::vector<Trial>& trials);

// The trials, best first: the complete ones by result, then those that were
// stopped or still train, by the epochs that they have trained and by result.
std::vector<size_t> Ranking(const std::vector<Trial>& trials);

// The best complete trial; without one, the best that has a result. Absent: no
// trial has a result.
std::optional<size_t> BestOf(const std::vector<Trial>& trials);

// The request id with which a trial is submitted: a trial that is submitted
// twice is one job.
std::string RequestId(absl::string_view sweep, int64_t number);

// The name of a trial's job, "digits.0007"; and the number of a trial by it.
// Absent: the job does not belong to this sweep.
std::string TrialName(absl::string_view sweep, int64_t number);
std::optional<int64_t> NumberOfTrial(absl::string_view sweep,
                                     absl::string_view job);

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_SWEEP_H_

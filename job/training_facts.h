// The facts in a job's specification that the scheduler goes by, beside the
// plan.
#ifndef EBB_JOB_TRAINING_FACTS_H_
#define EBB_JOB_TRAINING_FACTS_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace ebb::job {

// The scheduler's reaction to a job that diverges.
enum class OnDivergence { kWarn, kPause, kRollBack };

// A job ends when so many evaluations in a row had no better figure.
struct StopRule {
  std::string figure;  // One of `expect`, or of a program's own.
  // kEndlessPatience: it ends by `reach` only.
  int64_t patience = 1;
  double min_delta = 0;  // Better by no more than this does not count.
  // nullopt: as the name of the figure says.
  std::optional<bool> larger_is_better = std::nullopt;
  // It ends when the figure is as good as this, too.
  std::optional<double> reach = std::nullopt;
};
inline constexpr int64_t kEndlessPatience = std::numeric_limits<int64_t>::max();

struct TrainingFacts {
  // The training loss is half a mean squared error, in the labels' units.
  bool squared_loss = false;
  // The mean loss of a model that gives all classes the same probability; 0:
  // not known.
  double guess_loss = 0;
  // The class that precision, recall and F1 are of; empty: not known, or there
  // are other labels than of two classes.
  std::string positive_class;
  OnDivergence on_divergence = OnDivergence::kWarn;
  // The key of the rate of the steps along gradients, or whose it is.
  std::string rate_key = "optimizer.rate";
  // Steps are made shorter for gradients that are late.
  bool scales_late_steps = false;
  // The loss that servers tell of an epoch is the least of its tasks, the
  // inertia of a run of K-Means.
  bool least_loss = false;
  // Only programs that join the job compute it: no worker that takes items of
  // any job does.
  bool only_programs = false;
  // Items of an epoch are leased when all of the epoch before are done, because
  // what an example adds replaces what it added in the epoch before.
  bool epochs_in_order = false;
  // Workers read the training data in windows of so many examples; 0: they hold
  // all of it.
  int64_t window = 0;
  // Tokens of each example; 0: they are not sequences of as many.
  int64_t example_tokens = 0;
  std::optional<StopRule> stop;
  // The figure by which the best version is kept; empty: none is.
  std::string keep_best;

  // Returns whether evaluations decide on versions. Then each is of exactly the
  // epochs up to its own.
  bool judged() const { return stop.has_value() || !keep_best.empty(); }
};

}  // namespace ebb::job

#endif  // EBB_JOB_TRAINING_FACTS_H_

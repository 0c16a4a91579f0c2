#include "sweep/sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "sweep/folds.h"

namespace ebb::sweep {
namespace {

std::vector<MeasuredTrial> MeasuredOf(const std::vector<Trial>& trials) {
  std::vector<MeasuredTrial> measured;
  for (const Trial& trial : trials) {
    measured.push_back({trial.number, trial.measured});
  }
  return measured;
}

// With folds those of the settings.
std::vector<Outcome> OutcomesOf(const Sweep& sweep,
                                const std::vector<Trial>& all) {
  const std::vector<Trial> trials =
      sweep.folds > 0 ? WholesOf(SettingsOf(sweep, all)) : all;
  std::vector<Outcome> outcomes;
  for (const Trial& trial : trials) {
    Outcome outcome{trial.choices, std::nullopt, 0};
    if (trial.state != TrialState::kRunning) {
      outcome.value = ResultOf(trial);
      if (trial.state == TrialState::kComplete) {
        // It may have ended before its last epoch, for the better (`stop`).
        outcome.epochs = std::numeric_limits<int32_t>::max();
      } else if (!trial.measured.empty()) {
        outcome.epochs = trial.measured.back().epochs;
      }
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

// Why no trial with this number begins; empty: the budget is not used up.
std::string UsedUp(const Sweep& sweep, const std::vector<Trial>& trials,
                   int64_t number, int64_t now_unix_ms) {
  const Budget& budget = sweep.budget;
  if (number >= kMostTrials) {
    return absl::StrCat("a sweep has at most ", kMostTrials, " trials");
  }
  const int64_t settings = number / std::max<int64_t>(sweep.folds, 1);
  if (budget.trials && settings >= *budget.trials) {
    return absl::StrCat("budget.trials (", *budget.trials, ") is used up");
  }
  int64_t examples = 0;
  for (const Trial& trial : trials) examples += trial.examples;
  if (budget.examples && examples >= *budget.examples) {
    return absl::StrCat("budget.examples (", *budget.examples, ") is used up");
  }
  int64_t first = now_unix_ms;
  for (const Trial& trial : trials) {
    first = std::min(first, trial.began_unix_ms);
  }
  if (budget.time &&
      now_unix_ms - first >= absl::ToInt64Milliseconds(*budget.time)) {
    return absl::StrCat("budget.time (", absl::FormatDuration(*budget.time),
                        ") is used up");
  }
  return "";
}

}  // namespace

double Directed(const Sweep& sweep, double value) {
  return sweep.maximise ? -value : value;
}

std::optional<double> ResultOf(const Trial& trial) {
  if (trial.measured.empty()) return std::nullopt;
  const double value = trial.measured.back().value;
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

Step NextStep(const Sweep& sweep, const std::vector<Trial>& trials,
              int64_t now_unix_ms) {
  Step step;
  const std::vector<MeasuredTrial> measured = MeasuredOf(trials);
  int64_t running = 0;
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    if (trial.state != TrialState::kRunning) continue;
    ++running;
    // Its place is free once it is cancelled.
    if (!trial.trouble.empty() ||
        (sweep.halving &&
         StoppedAt(*sweep.halving, trial.epochs, measured, i))) {
      step.stop.push_back({trial.number, trial.job});
    }
  }
  int64_t number = trials.empty() ? 0 : trials.back().number + 1;
  std::vector<Outcome> outcomes = OutcomesOf(sweep, trials);
  const int64_t folds = std::max<int64_t>(sweep.folds, 1);
  Choices last = trials.empty() ? Choices() : trials.back().choices;
  while (running < sweep.parallel) {
    // A setting that has begun gets all of its folds.
    if (number % folds == 0) {
      step.why = UsedUp(sweep, trials, number, now_unix_ms);
      if (!step.why.empty()) break;
      auto choices = Suggest(sweep.space, sweep.method, sweep.seed,
                             number / folds, outcomes);
      if (!choices) {
        step.why = sweep.space.empty()
                       ? "every fold has been trained"
                       : "every point of the space has been tried";
        break;
      }
      outcomes.push_back({*choices, std::nullopt, 0});
      last = *std::move(choices);
    }
    if (sweep.folds > 0) last[kFoldKey] = absl::StrCat(number % folds);
    step.begin.push_back({number, last});
    ++number;
    ++running;
  }
  step.done = running == 0 && step.begin.empty() && !step.why.empty();
  return step;
}

std::string WhyStopped(const Sweep& sweep, const std::vector<Trial>& trials,
                       size_t index) {
  const Trial& trial = trials[index];
  if (trial.state != TrialState::kStopped) return "";
  if (!trial.trouble.empty()) return trial.trouble;
  if (sweep.halving) {
    const auto rung =
        StoppedAt(*sweep.halving, trial.epochs, MeasuredOf(trials), index);
    if (rung) return absl::StrCat("stopped by halving at epoch ", *rung);
  }
  return "cancelled";
}

int64_t TooQuickToStop(const Sweep& sweep, const std::vector<Trial>& trials) {
  if (!sweep.halving) return 0;
  const std::vector<MeasuredTrial> measured = MeasuredOf(trials);
  int64_t quick = 0;
  for (size_t i = 0; i < trials.size(); ++i) {
    if (trials[i].state != TrialState::kComplete) continue;
    if (StoppedAt(*sweep.halving, trials[i].epochs, measured, i)) ++quick;
  }
  return quick;
}

std::vector<size_t> Ranking(const std::vector<Trial>& trials) {
  std::vector<size_t> order(trials.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto rank = [&](size_t index) {
    const Trial& trial = trials[index];
    const std::optional<double> result = ResultOf(trial);
    const bool complete = trial.state == TrialState::kComplete;
    // Complete jobs may have ended before their last epoch.
    const int32_t epochs =
        complete || trial.measured.empty() ? 0 : trial.measured.back().epochs;
    return std::tuple(!result.has_value(), !complete, -epochs,
                      result.value_or(0), trial.number);
  };
  std::ranges::sort(order,
                    [&](size_t a, size_t b) { return rank(a) < rank(b); });
  return order;
}

std::optional<size_t> BestOf(const std::vector<Trial>& trials) {
  const std::vector<size_t> order = Ranking(trials);
  if (order.empty() || !ResultOf(trials[order.front()])) return std::nullopt;
  return order.front();
}

std::string RequestId(absl::string_view sweep, int64_t number) {
  return absl::StrCat("sweep/", sweep, "/", number);
}

std::string TrialName(absl::string_view sweep, int64_t number) {
  return absl::StrFormat("%s.%04d", sweep, number);
}

std::optional<int64_t> NumberOfTrial(absl::string_view sweep,
                                     absl::string_view job) {
  int64_t number = 0;
  if (!absl::ConsumePrefix(&job, sweep) || !absl::ConsumePrefix(&job, ".") ||
      job.size() < 4 || !std::ranges::all_of(job, absl::ascii_isdigit) ||
      !absl::SimpleAtoi(job, &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace ebb::sweep

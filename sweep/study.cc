#include "sweep/study.h"

#include <algorithm>
#include <utility>

namespace ebb::sweep {

Trial* Study::Running(int64_t number) {
  const auto at = std::ranges::find(trials_, number, &Trial::number);
  if (at == trials_.end() || at->state != TrialState::kRunning) return nullptr;
  return &*at;
}

std::optional<Step::Begin> Study::Ask(int64_t now_unix_ms) {
  const auto running =
      std::ranges::count(trials_, TrialState::kRunning, &Trial::state);
  // The program decides how many run at once.
  Sweep one_more = sweep_;
  one_more.parallel = static_cast<int>(running) + 1;
  Step step = NextStep(one_more, trials_, now_unix_ms);
  if (step.begin.empty()) return std::nullopt;
  Restore(step.begin.front(), now_unix_ms);
  return std::move(step.begin.front());
}

void Study::Restore(Step::Begin begin, int64_t began_unix_ms) {
  Trial& trial = trials_.emplace_back();
  trial.number = begin.number;
  trial.choices = std::move(begin.choices);
  trial.began_unix_ms = began_unix_ms;
}

void Study::Record(int32_t epoch, int32_t epochs, double metric, Trial* trial) {
  // Only the order of the results counts.
  int64_t order = 1;
  for (const Trial& one : trials_) {
    if (one.measured.empty()) continue;
    order = std::max(order, one.measured.back().unix_ms + 1);
  }
  trial->epochs = epochs;
  trial->measured.push_back({epoch, order, Directed(sweep_, metric)});
}

bool Study::Tell(int64_t number, int32_t epoch, int32_t epochs, double metric) {
  Trial* trial = Running(number);
  if (trial == nullptr) return false;
  Record(epoch, epochs, metric, trial);
  if (!sweep_.halving) return true;
  std::vector<MeasuredTrial> measured;
  for (const Trial& one : trials_) {
    measured.push_back({one.number, one.measured});
  }
  const auto index = static_cast<size_t>(trial - trials_.data());
  if (!StoppedAt(*sweep_.halving, epochs, measured, index)) return true;
  trial->state = TrialState::kStopped;
  return false;
}

bool Study::Finish(int64_t number) {
  Trial* trial = Running(number);
  if (trial == nullptr) return false;
  trial->state = TrialState::kComplete;
  return true;
}

bool Study::Finish(int64_t number, double metric) {
  Trial* trial = Running(number);
  if (trial == nullptr) return false;
  // It may have told nothing before.
  const int32_t epochs = std::max(trial->epochs, int32_t{1});
  Record(epochs, epochs, metric, trial);
  trial->state = TrialState::kComplete;
  return true;
}

bool Study::Fail(int64_t number) {
  Trial* trial = Running(number);
  if (trial == nullptr) return false;
  trial->state = TrialState::kStopped;
  trial->trouble = "the program says that it failed";
  trial->measured.clear();
  return true;
}

}  // namespace ebb::sweep

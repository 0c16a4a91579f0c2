#include "sweep/halving.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace ebb::sweep {
namespace {

// The trial's result at the rung; null: it has not come so far.
const Measured* ResultAt(const MeasuredTrial& trial, int32_t rung) {
  const auto at = std::ranges::find_if(
      trial.measured,
      [rung](const Measured& one) { return one.epochs >= rung; });
  return at == trial.measured.end() ? nullptr : &*at;
}

// A value that is not finite is worse than all others.
double ValueOf(const Measured& one) {
  return std::isnan(one.value) ? HUGE_VAL : one.value;
}

bool GoesOn(const Halving& halving, int32_t rung,
            const std::vector<MeasuredTrial>& trials, size_t index) {
  const Measured& own = *ResultAt(trials[index], rung);
  const auto order = [](const Measured& one, const MeasuredTrial& trial) {
    return std::tuple(one.unix_ms, trial.number);
  };
  int64_t results = 0;
  int64_t better = 0;
  for (const MeasuredTrial& trial : trials) {
    const Measured* other = ResultAt(trial, rung);
    if (other == nullptr || order(*other, trial) > order(own, trials[index])) {
      continue;
    }
    ++results;
    if (std::tuple(ValueOf(*other), trial.number) <
        std::tuple(ValueOf(own), trials[index].number)) {
      ++better;
    }
  }
  return better < std::max<int64_t>(1, results / halving.factor);
}

}  // namespace

std::vector<int32_t> Rungs(const Halving& halving, int32_t epochs) {
  std::vector<int32_t> rungs;
  for (int64_t rung = halving.first; rung < epochs; rung *= halving.factor) {
    rungs.push_back(static_cast<int32_t>(rung));
  }
  return rungs;
}

std::optional<int32_t> StoppedAt(const Halving& halving, int32_t epochs,
                                 const std::vector<MeasuredTrial>& trials,
                                 size_t index) {
  // A driver that was away may find several that it has not decided yet.
  for (const int32_t rung : Rungs(halving, epochs)) {
    if (ResultAt(trials[index], rung) == nullptr) break;
    if (!GoesOn(halving, rung, trials, index)) return rung;
  }
  return std::nullopt;
}

}  // namespace ebb::sweep

// Successive halving, asynchronous (ASHA), in the form that stops trials: Li et
// al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020).
// A trial that reaches a rung goes on only if it is among the best 1/factor of
// the results that the rung has by then, or is the best of fewer.
#ifndef EBB_SWEEP_HALVING_H_
#define EBB_SWEEP_HALVING_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace ebb::sweep {

struct Halving {
  int32_t first = 1;   // Epochs of the first rung.
  int32_t factor = 3;  // From rung to rung, and what is left of the trials.
};

// An evaluation of a trial.
struct Measured {
  int32_t epochs = 0;   // Epochs that it has trained.
  int64_t unix_ms = 0;  // When the evaluation was done.
  double value = 0;     // Smaller is better.
};

// A trial with its evaluations, by epoch.
struct MeasuredTrial {
  int64_t number = 0;
  std::vector<Measured> measured;
};

// The rungs of jobs of so many epochs: first, first × factor, … below epochs.
std::vector<int32_t> Rungs(const Halving& halving, int32_t epochs);

// The rung, in epochs, at which trials[index] is stopped; absent: it goes on.
//
// A decision follows from the evaluations and their times alone, so it is the
// same whenever it is asked for: a driver that was away decides what it would
// have decided. The result at a rung is the first evaluation that the trial has
// there or later. Trials whose results came later do not count.
std::optional<int32_t> StoppedAt(const Halving& halving, int32_t epochs,
                                 const std::vector<MeasuredTrial>& trials,
                                 size_t index);

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_HALVING_H_

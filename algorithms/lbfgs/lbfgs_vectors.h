// A partition's work on its part of the vectors of L-BFGS (lbfgs.h): a run of
// them at a time. Sums are made in double precision in a fixed order, so that
// they are the same to the bit however often they are made.
#ifndef EBB_ALGORITHMS_LBFGS_LBFGS_VECTORS_H_
#define EBB_ALGORITHMS_LBFGS_LBFGS_VECTORS_H_

#include <span>
#include <vector>

#include "algorithms/lbfgs/lbfgs.h"

namespace ebb {

// All spans are of the same length. `slots` has LbfgsSlots::Count of them.
struct LbfgsRun {
  std::span<const float> values;    // w
  std::span<const float> gradient;  // n, the mean over the round.
  std::span<const std::span<const float>> slots;
};

// Adds what the run contributes to all figures but the loss.
void AddLbfgsFigures(const LbfgsOptions& options, const LbfgsRun& run,
                     std::span<double> figures);

// Writes w to `out`. `changed` are the run's slots again, to be written; of
// those that the operation does not change it may be empty.
void ApplyLbfgs(const LbfgsOperation& operation, const LbfgsRun& run,
                std::span<const std::span<float>> changed,
                std::span<float> out);

}  // namespace ebb

#endif  // EBB_ALGORITHMS_LBFGS_LBFGS_VECTORS_H_

// An average of the weights beside them, around any optimizer.
#ifndef EBB_OPTIMIZER_WEIGHT_AVERAGE_H_
#define EBB_OPTIMIZER_WEIGHT_AVERAGE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "optimizer/optimizer.h"

namespace ebb {

// How far a step t moves the average a towards the new weights w':
// a' = a + c (w' - a). Where c is 1, a' is w' to the bit.
struct AverageRule {
  // c = 1 - memory: an exponential moving average. Absent: an equal mean of the
  // weights after each step beyond `start`, so that c is 1 up to step start + 1
  // and then 1 / (t - start). Izmailov et al. 2018, "Averaging weights leads to
  // wider optima and better generalization", algorithm 1, with a cycle of one.
  std::optional<double> memory;
  int64_t start = 0;
};

// Returns an optimizer that makes the steps of `inner`, whose weights and slots
// have the same bits as without it. It has one more slot, "average", behind
// those of `inner`, which begins as the weights.
std::unique_ptr<Optimizer> WithWeightAverage(std::unique_ptr<Optimizer> inner,
                                             const AverageRule& rule);

}  // namespace ebb

#endif  // EBB_OPTIMIZER_WEIGHT_AVERAGE_H_

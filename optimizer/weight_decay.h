// Weight decay around any optimizer.
#ifndef EBB_OPTIMIZER_WEIGHT_DECAY_H_
#define EBB_OPTIMIZER_WEIGHT_DECAY_H_

#include <memory>

#include "optimizer/optimizer.h"

namespace ebb {

enum class DecayKind {
  kAdded,  // G' = G + d N w, with N the examples of the sum: L2.
  // w is (1 - r f d) w before the step. Loshchilov, Hutter 2019, "Decoupled
  // weight decay regularization", algorithm 2.
  kDecoupled,
};

// Returns an optimizer that makes the steps of `inner` with weight decay.
std::unique_ptr<Optimizer> WithWeightDecay(std::unique_ptr<Optimizer> inner,
                                           DecayKind kind, double decay);

}  // namespace ebb

#endif  // EBB_OPTIMIZER_WEIGHT_DECAY_H_

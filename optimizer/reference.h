// The formulas of optimizer.cc, one element at a time, in double and as plain
// as they are written: the oracle of the vector kernels. For tests.
#ifndef EBB_OPTIMIZER_REFERENCE_H_
#define EBB_OPTIMIZER_REFERENCE_H_

#include <array>

#include "ebb/v1/job.pb.h"
#include "optimizer/optimizer.h"

namespace ebb {

// A result, and the largest term of the sums that made it: rounding errors
// are relative to that, not to a result in which terms may have cancelled.
struct ReferenceValue {
  double value = 0;
  double largest_term = 0;
};

struct ReferenceResult {
  ReferenceValue weight;
  std::array<ReferenceValue, Optimizer::kMaxSlots> slots;
};

// Settings without a kind stand for the rule of additive rows.
ReferenceResult ReferenceStep(
    const v1::Optimizer& settings, const StepContext& context, float weight,
    float gradient_sum, const std::array<float, Optimizer::kMaxSlots>& slots);

}  // namespace ebb

#endif  // EBB_OPTIMIZER_REFERENCE_H_

// The loops of the optimizers: one pass over memory each, for the widest
// vectors the processor has. Formulas: optimizer/optimizer.cc.
#ifndef EBB_OPTIMIZER_INTERNAL_KERNELS_H_
#define EBB_OPTIMIZER_INTERNAL_KERNELS_H_

#include <cstddef>
#include <span>

#include "optimizer/row_step.h"

namespace ebb::internal {

// Rows of `width` elements; a run of a dense table is one row. The kernel says
// how many slots there are.
struct KernelRange {
  size_t width = 0;
  std::span<const RowStep> rows;
};

// `scale` below makes the gradient of the pushed sum.

// No slots.
void SgdKernel(const KernelRange& range, float scale, float rate);
void AdditiveKernel(const KernelRange& range);

// w + share * (scale * sum - w). Averages of weights have the average as w, and
// the weights as sum.
void AverageKernel(const KernelRange& range, float scale, float share);

// Slot 0: velocity.
struct MomentumRule {
  float scale;
  float rate;
  float momentum;
};
void MomentumKernel(const KernelRange& range, const MomentumRule& rule);
void NesterovKernel(const KernelRange& range, const MomentumRule& rule);

// Slot 0: squares.
struct AdagradRule {
  float scale;
  float rate;
  float epsilon;
};
void AdagradKernel(const KernelRange& range, const AdagradRule& rule);

// Slot 0: mean square.
struct RmsPropRule {
  float scale;
  float rate;
  float epsilon;
  float decay;
  float one_minus_decay;
};
void RmsPropKernel(const KernelRange& range, const RmsPropRule& rule);

// Slots: first and second moment.
struct AdamRule {
  float scale;
  float rate;        // r / (1 - beta1^t).
  float root_scale;  // 1 / sqrt(1 - beta2^t).
  float epsilon;
  float beta1;
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
};
void AdamKernel(const KernelRange& range, const AdamRule& rule);

// Slots: z and squares.
struct FtrlRule {
  float scale;
  float inverse_rate;
  float beta;
  float l1;
  float l2;
  bool z_from_weights;  // z is first made to be where the weight stands.
};
void FtrlKernel(const KernelRange& range, const FtrlRule& rule);

}  // namespace ebb::internal

#endif  // EBB_OPTIMIZER_INTERNAL_KERNELS_H_

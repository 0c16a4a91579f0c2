// Update rules: how a gradient changes weights and slots.
//
// Notation: w weight, G the pushed sum of gradients, g = scale * G their
// mean, r the rate, t the step. (Penalties on weights are part of a model's
// loss; only ftrl has its own.)
//
// sgd        w' = w - r g
// momentum   v' = mu v - r g;  w' = w + v'
//            Sutskever et al. 2013, "On the importance of initialization and
//            momentum in deep learning", eqs. 1 and 2.
// nesterov   v' = mu v - r g;  w' = w + mu v' - r g
//            Their eqs. 3 and 4, with the look-ahead point theta + mu v stored
//            as w: so the gradient, taken at the weights a worker pulled, is
//            taken where Nesterov wants it.
// adagrad    n' = n + g^2;  w' = w - r g / (sqrt(n') + eps)
//            Duchi, Hazan, Singer 2011, "Adaptive subgradient methods",
//            diagonal form.
// rmsprop    n' = rho n + (1 - rho) g^2;  w' = w - r g / (sqrt(n') + eps)
//            Tieleman, Hinton 2012, "Lecture 6.5 - rmsprop".
// adam       m' = b1 m + (1 - b1) g;  n' = b2 n + (1 - b2) g^2
//            w' = w - r m^ / (sqrt(n^) + eps)
//            with m^ = m' / (1 - b1^t), n^ = n' / (1 - b2^t)
//            Kingma, Ba 2015, "Adam", algorithm 1.
// ftrl       n' = n + g^2
//            z' = z + g - (sqrt(n') - sqrt(n)) / r w
//            w' = 0 where |z'| <= l1, else
//            w' = -(z' - sgn(z') l1) / ((beta + sqrt(n')) / r + l2)
//            McMahan et al. 2013, "Ad click prediction", algorithm 1; r is
//            always the configured rate. z starts where it gives the initial
//            weight (with w = 0, at 0 as in the paper). Slots may be of another
//            rate. Then, if w is not 0, z is first set to the value that
//            gives w at this rate: -w ((beta + sqrt(n)) / r + l2) -
//            sgn(w) l1. So a smaller rate shortens steps, as in the others,
//            and leaves weights where they are.
// additive   w' = w + G
#ifndef EBB_SERVER_OPTIMIZER_OPTIMIZER_H_
#define EBB_SERVER_OPTIMIZER_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/optimizer/config.h"
#include "server/optimizer/gradient.h"
#include "server/optimizer/row_step.h"

namespace ebb::server {

namespace internal {
struct KernelRange;
}  // namespace internal

// The values that are the same for all blocks and rows of one update.
struct StepContext {
  // The scheduled rate (common/schedule.h), times all factors. Not read by
  // ftrl and additive: see TakesSchedule().
  float rate = 0;
  // Makes a mean of the pushed sum: 1 / examples. Not read by additive.
  float gradient_scale = 1;
  // Updates of the partition, this one included: 1 for the first.
  int64_t step = 1;
  // Read by ftrl alone: what its own rate is multiplied by, and whether slots
  // may be of another such factor.
  float rate_factor = 1;
  bool slots_of_other_rates = false;
};

// The rule of one table. It holds constants only, so one object serves all
// threads; the state is in the slots, which lie beside the weights.
//
// Each element is updated by itself: a range may be cut anywhere and stepped
// piece by piece, with the same bits as a result.
//
// Accuracy: computed in float. Against the formulas evaluated exactly, slots
// and steps are within 4 ulp of the largest term of the sums that make them,
// and w' adds half an ulp of its own. Machines with and without fused
// multiply-add differ within that.
class Optimizer {
 public:
  static constexpr int kMaxSlots = 2;

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One name per slot, for exports: "velocity", "squares" ...
  virtual std::span<const absl::string_view> SlotNames() const = 0;
  int SlotCount() const { return static_cast<int>(SlotNames().size()); }

  // Sets slot number `slot` of weights that have had no update; `out` has the
  // size of `weights`. Only ftrl looks at the weights.
  virtual void InitializeSlot(int slot, std::span<const float> weights,
                              std::span<float> out) const;

  // One update of a range: weights out of place, slots in place. All spans
  // have the size of `weights_in`, and there are SlotCount() slots. The
  // weights may be updated in place (the same span twice); otherwise no two
  // spans overlap. Never fails: sizes are the caller's to check (checked
  // again here, fatally), values are taken as they come.
  void Step(const StepContext& context, std::span<const float> weights_in,
            GradientView gradient_sum, std::span<float> weights_out,
            std::span<const std::span<float>> slots) const;
  // The same with the next `weights_in.size()` floats of `gradient_sum`.
  void Step(const StepContext& context, std::span<const float> weights_in,
            GradientCursor& gradient_sum, std::span<float> weights_out,
            std::span<const std::span<float>> slots) const;

  // One update of rows of `width` floats that lie anywhere, such as those of a
  // sparse table: the same bits as Step row by row, but slots out of place.
  // Each row has SlotCount() slots. Never fails.
  void StepRows(const StepContext& context, size_t width,
                std::span<const RowStep> rows) const;

 protected:
  Optimizer() = default;
  virtual void StepRange(const StepContext& context,
                         const internal::KernelRange& range) const = 0;
};

// The optimizer of `config`; InvalidArgument from its Validate().
absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(
    const OptimizerConfig& config);

}  // namespace ebb::server

#endif  // EBB_SERVER_OPTIMIZER_OPTIMIZER_H_

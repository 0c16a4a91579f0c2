// Update rules: how a gradient changes weights and slots.
//
// Notation: w weight, G the pushed sum of gradients, g = scale * G their
// mean, r the rate, t the step, d the weight decay, f the factor of a late
// gradient. The formulas are in optimizer.cc.
#ifndef EBB_OPTIMIZER_OPTIMIZER_H_
#define EBB_OPTIMIZER_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "optimizer/gradient.h"
#include "optimizer/row_step.h"

namespace ebb::v1 {
class Optimizer;  // The settings, in ebb/v1/job.pb.h.
}  // namespace ebb::v1

namespace ebb {

namespace internal {
struct KernelRange;
}  // namespace internal

// The values that are the same for all blocks and rows of one update.
struct StepContext {
  // The scheduled rate (algorithms/schedule.h), times that of a rollback. Not
  // read by additive, nor by ftrl: its state is only meaningful under the one
  // rate that it was gathered with.
  float rate = 0;
  // The weight of the gradient, less than 1 if late (Algorithm::RateFactor). It
  // is apart from the rate, because what a gradient leaves in a first moment
  // must be as small. Read by Step, and where the rate is; rows have their own.
  float late_factor = 1;
  // Makes a mean of the pushed sum: 1 / examples. Not read by additive.
  float gradient_scale = 1;
  // The examples in the pushed sum, and the batches that they make. Read for
  // weight decay and by average.
  int64_t examples = 1;
  int64_t batches = 1;
  // Updates of the partition, this one included: 1 for the first.
  int64_t step = 1;
  // Read by ftrl alone: what its own rate is multiplied by, and whether slots
  // may be of another such factor.
  float rate_factor = 1;
  bool slots_of_other_rates = false;
  // Updates of the partition since the pull from which the gradient was
  // computed. Read by sparse tables alone, for the factors of their rows
  // (RowTableOptions::rate_factor).
  int64_t staleness = 0;
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
// multiply-add differ within that. Momentum, nesterov, rmsprop and adam take
// numbers below 2^-126 for 0: such slots would make steps several times slower.
class Optimizer {
 public:
  static constexpr int kMaxSlots = kMaxRowSlots;

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One name per slot, for exports: "velocity", "squares" ...
  virtual std::span<const absl::string_view> SlotNames() const = 0;
  int SlotCount() const { return static_cast<int>(SlotNames().size()); }

  // Sets slot number `slot` of weights that have had no update; `out` has the
  // size of `weights`. Only ftrl and averages of weights look at the weights.
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
  // sparse table: the same bits as Step row by row, but slots out of place, and
  // with the row's late_factor. Each row has SlotCount() slots. Never fails.
  void StepRows(const StepContext& context, size_t width,
                std::span<const RowStep> rows) const;

 protected:
  Optimizer() = default;
  virtual void StepRange(const StepContext& context,
                         const internal::KernelRange& range) const = 0;
};

// The optimizer with these settings, of which none is absent: those that
// job::OptimizerOf returns. InvalidArgument: there is none of this kind.
absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(
    const v1::Optimizer& settings);

}  // namespace ebb

#endif  // EBB_OPTIMIZER_OPTIMIZER_H_

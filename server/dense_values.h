// The dense values of a partition, and how they step.
#ifndef EBB_SERVER_DENSE_VALUES_H_
#define EBB_SERVER_DENSE_VALUES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/payload.h"
#include "server/cut.h"
#include "server/dense_shape.h"
#include "server/pushed_shape.h"
#include "server/update_rule.h"

namespace ebb::server {

// Dense values that a partition begins with, from elsewhere than the rule.
struct InitialDense {
  Blocks weights;
  // All that the rule has, each as long as the weights, or none: then they
  // begin as the rule says.
  std::vector<Blocks> slots;
};

// The weights, and the slots of the optimizer. A step computes new weights out
// of place, for Publish, and changes the slots in place:
//
//   EBB_ASSIGN_OR_RETURN(Blocks next, values.PrepareStep());
//   values.Step(place, gradient_sum, &next);  // Long.
//   values.Publish(std::move(next));
//
// Thread-compatible; but weights may be read while a step is computed, as slots
// are read only in a cut. Belongs to a Partition, which has the rules about
// threads.
class DenseValues {
 public:
  // Without values: either Initialize or Restore gives them. `shape` is that of
  // the weights, and `pushed` that of slots and gradients. Both outlive it.
  DenseValues(const DenseShape& shape, const PushedShape& pushed,
              std::shared_ptr<const UpdateRule> rule)
      : shape_(shape),
        pushed_(pushed),
        rule_(std::move(rule)),
        slots_(rule_->SlotCount()) {}
  DenseValues(const DenseValues&) = delete;
  DenseValues& operator=(const DenseValues&) = delete;

  // Begins with these values, of this shape; absent: with those of the rule.
  // ResourceExhausted: the pool has no room. InvalidArgument: the slots are
  // more or fewer than those of the rule.
  absl::Status Initialize(std::optional<InitialDense> initial);

  // --- Steps -----------------------------------------------------------------

  // Returns room for new weights, and makes this the only holder of the slots.
  // ResourceExhausted: the pool has no room.
  absl::StatusOr<Blocks> PrepareStep();
  // The same for a step that closes a round, which may leave slots alone.
  absl::StatusOr<Blocks> PrepareStep(const RoundStep& step);
  void Step(const StepPlace& place, const Payload& gradient_sum,
            Blocks* new_weights);
  void Step(const RoundStep& step, const StepPlace& place, const Blocks& sum,
            Blocks* new_weights);
  // Adds what an operation needs to know of the sum of a round.
  void Measure(const StepPlace& place, const Blocks& sum,
               std::span<double> figures) const;
  // Returns the weights until now.
  Blocks Publish(Blocks new_weights);

  const Blocks& weights() const { return weights_; }
  int64_t slots() const { return static_cast<int64_t>(slots_.size()); }

  // --- Cuts ------------------------------------------------------------------

  void AddTo(Cut* cut) const;
  // Takes an array of a cut, which has the right shape; false: it is not one of
  // these values.
  bool Restore(absl::string_view name, const CutArray& array);
  // DataLoss: the cut lacked some. `cut` names it.
  absl::Status CheckRestored() const;

 private:
  // The array in one piece.
  static std::vector<float> Whole(const DenseShape& shape, const Blocks& array);
  // Room for new weights: steps leave the blocks as they are that have frozen
  // values only.
  absl::StatusOr<Blocks> NewWeights() const;
  // Copies what is frozen in the other blocks.
  void KeepFrozen(Blocks* new_weights) const;
  // Leaves out what is frozen of an array of the shape of the weights.
  absl::StatusOr<Blocks> TrainedOf(Blocks array) const;

  const DenseShape& shape_;
  const PushedShape& pushed_;
  const std::shared_ptr<const UpdateRule> rule_;
  Blocks weights_;
  std::vector<Blocks> slots_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_DENSE_VALUES_H_

// The worker's work on the batches of an item between a pull and a push: the
// mathematics alone. The caller knows which batches these are.
//
//   Begin(pulled)                           an item begins, or begins anew
//     Values(), Step(gradient)              a batch
//     Values(), Step(gradient),             a batch, with which a push ends
//       Forget(range), Push(out)
//     Pulled(pulled), Values(), Step(…)     newer values came before it
//
// All vectors are of the model's size, float32. Thread-compatible.
#ifndef EBB_ALGORITHMS_LOCAL_RULE_H_
#define EBB_ALGORITHMS_LOCAL_RULE_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace ebb {

// The facts about one batch that a rule needs.
struct LocalStep {
  float rate = 0;            // By the schedule, at the batch's place.
  float gradient_scale = 1;  // 1 / the batch size: makes a mean of the sum.
  int64_t examples = 1;      // In the sum; the last batch may have fewer.
};

// The facts about one push that a rule needs.
struct LocalPush {
  int64_t examples = 0;  // Since the last Push or Begin.
  int64_t batches = 0;   // Since then, too.
  // It is the item's last, or the worker leaves: nothing may stay here.
  bool whole = false;
};

class LocalRule {
 public:
  virtual ~LocalRule() = default;

  // Forgets all that it has, and starts from the servers' values.
  virtual void Begin(std::span<const float> pulled) = 0;
  // Newer values of the servers.
  virtual void Pulled(std::span<const float> pulled) = 0;
  // Returns the values at which the next batch's gradient is computed. They are
  // valid, and stay unchanged, until the next call of another function.
  virtual std::span<const float> Values() const = 0;
  // `gradient_sum` is that of a batch, taken at Values().
  virtual void Step(const LocalStep& step,
                    std::span<const float> gradient_sum) = 0;
  // Writes the push for the batches since the last Push or Begin.
  virtual void Push(const LocalPush& push, std::span<float> out) = 0;
  // The servers have the effect of the batches on the elements [first, last)
  // already, and the next Push is not sent for them. Forgets that effect, so
  // that no later push contains it. Does nothing if the rule keeps nothing
  // after a push.
  virtual void Forget(size_t /*first*/, size_t /*last*/) {}
};

}  // namespace ebb

#endif  // EBB_ALGORITHMS_LOCAL_RULE_H_

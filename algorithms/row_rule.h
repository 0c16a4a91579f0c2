// The worker's work on rows of sparse tables in a run of batches, the batches
// of one push: the mathematics alone. A pull brings the rows of one batch, so
// nothing can be copied for the whole run. Instead the rule keeps how each row
// that the run met has changed:
//
//   kept <- 0                     the run meets a row
//   pulled + the first of kept    a batch: where its gradient is to be taken
//   Step(gradient, kept)          the batch is computed
//   Push(kept, out)               the run's end, after which kept is forgotten
//
// So whatever is pulled within a run has the run's own steps in it, and nothing
// stays with the worker when the run is pushed.
#ifndef EBB_ALGORITHMS_ROW_RULE_H_
#define EBB_ALGORITHMS_ROW_RULE_H_

#include <cstdint>
#include <memory>
#include <span>

#include "algorithms/local_rule.h"

namespace ebb {

// Each element for itself, so that a row, or any other part of the model, may
// be given alone. Immutable, so thread-safe.
class RowRule {
 public:
  virtual ~RowRule() = default;

  // Vectors that are kept of each element, at least 1, one after another. The
  // first is how far the element came in the run.
  virtual int vectors() const = 0;

  // A batch was computed: `gradient_sum` is of n elements, `kept` of
  // vectors() * n.
  virtual void Step(const LocalStep& step, std::span<const float> gradient_sum,
                    std::span<float> kept) const = 0;
  // Writes the push of n elements for the run.
  virtual void Push(const LocalPush& push, std::span<const float> kept,
                    std::span<float> out) const = 0;
};

// The same for the model's dense vector, which is pulled with each batch too.
// It keeps RunVectors(rule) vectors.
std::unique_ptr<LocalRule> MakeRunRule(std::shared_ptr<const RowRule> rule,
                                       int64_t parameters);
inline int32_t RunVectors(const RowRule& rule) { return rule.vectors() + 2; }

}  // namespace ebb

#endif  // EBB_ALGORITHMS_ROW_RULE_H_

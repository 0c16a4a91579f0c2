// The local steps of a simulated run: whole numbers with a moment, so that a
// run depends on all of its batches, their order and where it began.
//
//   batch   m <- m + G;  x <- x + m
//   push    n (x - start), for the run's n examples
//
// In asp marks do not say where runs were cut, so there a push is the sum of
// its gradients: neither moment nor weight.
#ifndef EBB_SIM_RUN_STEPS_H_
#define EBB_SIM_RUN_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/local_rule.h"

namespace ebb::sim {

class RunSteps final : public LocalRule {
 public:
  RunSteps(int64_t floats, bool rounds)
      : rounds_(rounds), start_(floats), values_(floats), moment_(floats) {}

  void Begin(std::span<const float> pulled) override;
  void Pulled(std::span<const float> pulled) override;
  std::span<const float> Values() const override { return values_; }
  void Step(const LocalStep& step,
            std::span<const float> gradient_sum) override;
  void Push(const LocalPush& push, std::span<float> out) override;

 private:
  const bool rounds_;
  std::vector<float> start_;
  std::vector<float> values_;
  std::vector<float> moment_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_RUN_STEPS_H_

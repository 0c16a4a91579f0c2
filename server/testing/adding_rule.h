// An update rule whose values a test can tell by heart.
#ifndef EBB_SERVER_TESTING_ADDING_RULE_H_
#define EBB_SERVER_TESTING_ADDING_RULE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "server/additive_rows.h"

namespace ebb::server {

// Adds the sums of gradients; starts at zero.
class AddingRule : public AdditiveRows {
 public:
  using AdditiveRows::AdditiveRows;

  int SlotCount() const override { return 0; }
  void InitialWeights(int64_t first, std::span<float> out) const override {
    std::ranges::fill(out, 0.0f);
  }
  void InitialSlot(int slot, int64_t first, std::span<const float> weights,
                   std::span<float> out) const override {}
  void Step(const StepPlace& place, const StepRun& run) const override {
    for (size_t at = 0; at < run.weights.size();) {
      const GradientView part = run.gradient->Next(run.weights.size() - at);
      for (size_t i = 0; i < part.size(); ++i, ++at) {
        float sum = 0;
        std::memcpy(&sum, part.bytes() + i * sizeof(sum), sizeof(sum));
        run.out[at] = run.weights[at] + sum;
      }
    }
  }
  // Whatever the operation is; nothing is none.
  absl::StatusOr<std::unique_ptr<const RoundStep>> ReadOperation(
      absl::string_view operation) const override {
    class Add final : public RoundStep {
     public:
      bool Changes(int) const override { return false; }
      void Apply(float scale, const OperationRun& run) const override {
        for (size_t i = 0; i < run.out.size(); ++i) {
          run.out[i] = run.weights[i] + run.gradient_sum[i];
        }
      }
    };
    if (operation.empty()) return absl::InvalidArgumentError("no operation");
    return std::make_unique<Add>();
  }
};

}  // namespace ebb::server

#endif  // EBB_SERVER_TESTING_ADDING_RULE_H_

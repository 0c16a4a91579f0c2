// Local SGD with periodic averaging: workers step by themselves, and then their
// copies are averaged, each with the weight of its examples. Stich 2019, "Local
// SGD converges fast and communicates little", algorithm 1; with these weights
// it is federated averaging (McMahan et al. 2017, algorithm 1).
//
// A round has it exactly: each of its items is gone through from the values
// that the round before closed, and the round's step adds the mean of the
// changes. A worker keeps no state beyond its item, and any worker may compute
// any item.
//
//   item    x <- the round's values
//   batch   x <- x - r / B G
//   push    n (x - the round's values), for the item's n examples
//   servers w <- w + the sum of these / the round's examples
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class LocalSteps final : public LocalRule {
 public:
  explicit LocalSteps(int64_t parameters)
      : start_(parameters), values_(parameters) {}

  void Begin(std::span<const float> pulled) override { Pulled(pulled); }
  void Pulled(std::span<const float> pulled) override {
    std::ranges::copy(pulled, start_.begin());
    values_ = start_;
  }
  std::span<const float> Values() const override { return values_; }

  void Step(const LocalStep& step,
            std::span<const float> gradient_sum) override {
    const float rate = step.rate * step.gradient_scale;
    for (size_t i = 0; i < values_.size(); ++i) {
      values_[i] -= rate * gradient_sum[i];
    }
  }

  void Push(const LocalPush& push, std::span<float> out) override {
    const auto weight = static_cast<float>(push.examples);
    for (size_t i = 0; i < values_.size(); ++i) {
      out[i] = weight * (values_[i] - start_[i]);
    }
  }

 private:
  std::vector<float> start_;
  std::vector<float> values_;
};

class LocalSgd final : public Algorithm {
 public:
  AlgorithmPlan Plan() const override {
    return {.push_batches = 0, .pull_batches = 0, .worker_vectors = 2};
  }
  PushKind Pushes() const override { return PushKind::kChanges; }
  std::unique_ptr<LocalRule> MakeLocalRule(int64_t parameters) const override {
    return std::make_unique<LocalSteps>(parameters);
  }
};

}  // namespace

absl::Status RegisterLocalSgd(AlgorithmRegistry* registry) {
  return registry->Register(
      "local_sgd", "averages what workers make of an item each",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<LocalSgd>();
      });
}

}  // namespace ebb

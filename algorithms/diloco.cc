// DiLoCo: Douillard et al. 2023, "DiLoCo: Distributed low-communication
// training of language models", algorithm 1. A worker makes many steps of an
// optimizer by itself, and servers make one outer step against the way that it
// came, by Nesterov's momentum:
//
//   run     x <- the servers' values, and the inner optimizer begins
//   batch   x <- a step of the inner optimizer by G / B
//   push    n (start - x), for the run's n examples
//   servers w <- a step of nesterov by the sum of these / the examples of a
//           whole step
//
// In rounds a run is an item, and a round's items make one outer step. In asp a
// run is a step when it arrives (Liu et al. 2024, "Asynchronous local-SGD
// training for language modeling"), divided by its staleness + 1.
//
// One thing is not in the paper: there each worker keeps the moments of its
// inner optimizer. Here they begin anew in each run, so that a run is a
// function of the pulled values and its examples (docs/decisions/0055-runs.md).
// So the rate of a run's first steps grows to its full height.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "algorithms/builtin.h"
#include "optimizer/optimizer.h"

namespace ebb {

namespace {

class InnerSteps final : public LocalRule {
 public:
  InnerSteps(std::shared_ptr<const Optimizer> inner, int32_t warm_up,
             int64_t parameters)
      : inner_(std::move(inner)),
        warm_up_(warm_up),
        start_(parameters),
        values_(parameters),
        slots_(static_cast<size_t>(inner_->SlotCount()),
               std::vector<float>(parameters)),
        slot_spans_(slots_.begin(), slots_.end()) {}

  void Begin(std::span<const float> pulled) override {
    std::ranges::copy(pulled, start_.begin());
    values_ = start_;
    steps_ = 0;
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
      inner_->InitializeSlot(static_cast<int>(slot), values_, slots_[slot]);
    }
  }
  // Newer values are another start.
  void Pulled(std::span<const float> pulled) override { Begin(pulled); }
  std::span<const float> Values() const override { return values_; }

  void Step(const LocalStep& step,
            std::span<const float> gradient_sum) override {
    StepContext context;
    context.rate = step.rate * WarmUpFactor(steps_, warm_up_);
    context.gradient_scale = step.gradient_scale;
    context.examples = step.examples;
    context.step = ++steps_;
    inner_->Step(context, values_, GradientView(gradient_sum), values_,
                 slot_spans_);
  }

  void Push(const LocalPush& push, std::span<float> out) override {
    const auto weight = static_cast<float>(push.examples);
    for (size_t i = 0; i < values_.size(); ++i) {
      out[i] = weight * (start_[i] - values_[i]);
    }
  }

 private:
  const std::shared_ptr<const Optimizer> inner_;
  const int32_t warm_up_;
  std::vector<float> start_;
  std::vector<float> values_;
  std::vector<std::vector<float>> slots_;
  const std::vector<std::span<float>> slot_spans_;  // Point into slots_.
  int64_t steps_ = 0;                               // Since Begin.
};

// A program makes the steps, and hands in the push as the sum of the run's last
// batch.
class StepsOfAProgram final : public LocalRule {
 public:
  explicit StepsOfAProgram(int64_t parameters)
      : start_(parameters), handed_in_(parameters) {}

  void Begin(std::span<const float> pulled) override {
    std::ranges::copy(pulled, start_.begin());
  }
  void Pulled(std::span<const float> pulled) override { Begin(pulled); }
  std::span<const float> Values() const override { return start_; }
  void Step(const LocalStep& /*step*/, std::span<const float> sum) override {
    std::ranges::copy(sum, handed_in_.begin());
  }
  void Push(const LocalPush& /*push*/, std::span<float> out) override {
    std::ranges::copy(handed_in_, out.begin());
  }

 private:
  std::vector<float> start_;
  std::vector<float> handed_in_;
};

class DiLoCo final : public Algorithm {
 public:
  explicit DiLoCo(const AlgorithmConfig& config)
      : inner_(config.program_steps ? nullptr : config.inner),
        batches_(config.rounds ? 0 : config.period),
        warm_up_(config.run_warm_up) {}

  AlgorithmPlan Plan() const override {
    return {.push_batches = batches_,
            .pull_batches = batches_,
            .worker_vectors = 2 + (inner_ != nullptr ? inner_->SlotCount() : 0),
            .runs = true};
  }
  PushKind Pushes() const override { return PushKind::kOuterGradients; }
  double RateFactor(int64_t staleness) const override {
    return 1.0 / (static_cast<double>(staleness) + 1.0);
  }
  std::unique_ptr<LocalRule> MakeLocalRule(int64_t parameters) const override {
    if (inner_ == nullptr) return std::make_unique<StepsOfAProgram>(parameters);
    return std::make_unique<InnerSteps>(inner_, warm_up_, parameters);
  }

 private:
  const std::shared_ptr<const Optimizer> inner_;  // Null: programs step.
  const int32_t batches_;  // A run has so many; 0: it is an item.
  const int32_t warm_up_;
};

}  // namespace

absl::Status RegisterDiLoCo(AlgorithmRegistry* registry) {
  return registry->Register(
      "diloco", "makes outer steps of what many steps of workers came to",
      [](const AlgorithmConfig& config)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        if (config.inner == nullptr && !config.program_steps) {
          return absl::InvalidArgumentError(
              "algorithm.inner: is missing: workers step by it\n"
              "hint: inner: adamw");
        }
        if (config.period < 1) {
          return absl::InvalidArgumentError(
              absl::StrCat("algorithm.period: ", config.period,
                           " batches, at least 1 needed"));
        }
        return std::make_unique<DiLoCo>(config);
      });
}

}  // namespace ebb

#include "server/optimizer/optimizer.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/status_macros.h"
#include "server/optimizer/internal/kernels.h"

namespace ebb::server {
namespace {

using internal::KernelRange;
using Slots = std::span<const std::span<float>>;

class Sgd : public Optimizer {
 public:
  std::span<const absl::string_view> SlotNames() const override { return {}; }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    internal::SgdKernel(range, context.gradient_scale, context.rate);
  }
};

class Additive : public Optimizer {
 public:
  std::span<const absl::string_view> SlotNames() const override { return {}; }

 private:
  void StepRange(const StepContext& /*context*/,
                 const KernelRange& range) const override {
    internal::AdditiveKernel(range);
  }
};

// Plain and Nesterov's.
class Momentum : public Optimizer {
 public:
  explicit Momentum(const OptimizerConfig& config) : config_(config) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 1> kNames = {"velocity"};
    return kNames;
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    const internal::MomentumRule rule = {
        .scale = context.gradient_scale,
        .rate = context.rate,
        .momentum = static_cast<float>(config_.momentum)};
    if (config_.kind == OptimizerKind::kNesterov) {
      internal::NesterovKernel(range, rule);
    } else {
      internal::MomentumKernel(range, rule);
    }
  }

  const OptimizerConfig config_;
};

class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const OptimizerConfig& config) : config_(config) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 1> kNames = {"squares"};
    return kNames;
  }
  void InitializeSlot(int /*slot*/, std::span<const float> /*weights*/,
                      std::span<float> out) const override {
    std::ranges::fill(out, static_cast<float>(config_.initial_accumulator));
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    internal::AdagradKernel(range,
                            {.scale = context.gradient_scale,
                             .rate = context.rate,
                             .epsilon = static_cast<float>(config_.epsilon)});
  }

  const OptimizerConfig config_;
};

class RmsProp : public Optimizer {
 public:
  explicit RmsProp(const OptimizerConfig& config) : config_(config) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 1> kNames = {"mean_square"};
    return kNames;
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    internal::RmsPropKernel(
        range, {.scale = context.gradient_scale,
                .rate = context.rate,
                .epsilon = static_cast<float>(config_.epsilon),
                .decay = static_cast<float>(config_.decay),
                .one_minus_decay = static_cast<float>(1 - config_.decay)});
  }

  const OptimizerConfig config_;
};

class Adam : public Optimizer {
 public:
  explicit Adam(const OptimizerConfig& config) : config_(config) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 2> kNames = {
        "first_moment", "second_moment"};
    return kNames;
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    CHECK_GE(context.step, 1);
    const double correction1 = Correction(log_beta1_, context.step);
    const double correction2 = Correction(log_beta2_, context.step);
    internal::AdamKernel(
        range, {.scale = context.gradient_scale,
                .rate = static_cast<float>(context.rate / correction1),
                .root_scale = static_cast<float>(1 / std::sqrt(correction2)),
                .epsilon = static_cast<float>(config_.epsilon),
                .beta1 = static_cast<float>(config_.beta1),
                .one_minus_beta1 = static_cast<float>(1 - config_.beta1),
                .beta2 = static_cast<float>(config_.beta2),
                .one_minus_beta2 = static_cast<float>(1 - config_.beta2)});
  }

  // 1 - beta^step, without cancellation for a beta near 1. For a beta of 0
  // the logarithm is -infinity and this is 1.
  static double Correction(double log_beta, int64_t step) {
    return -std::expm1(log_beta * static_cast<double>(step));
  }

  const OptimizerConfig config_;
  const double log_beta1_ = std::log(config_.beta1);
  const double log_beta2_ = std::log(config_.beta2);
};

class Ftrl : public Optimizer {
 public:
  explicit Ftrl(const OptimizerConfig& config) : config_(config) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 2> kNames = {"z", "squares"};
    return kNames;
  }

  // The z that the formula turns into the given weight.
  void InitializeSlot(int slot, std::span<const float> weights,
                      std::span<float> out) const override {
    if (slot != 0) return Optimizer::InitializeSlot(slot, weights, out);
    const double divisor = config_.beta / config_.rate + config_.l2;
    for (size_t i = 0; i < weights.size(); ++i) {
      const double w = weights[i];
      out[i] = static_cast<float>(
          w == 0 ? 0 : -(w * divisor + std::copysign(config_.l1, w)));
    }
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    internal::FtrlKernel(range,
                         {.scale = context.gradient_scale,
                          .inverse_rate = static_cast<float>(
                              1 / (config_.rate * context.rate_factor)),
                          .beta = static_cast<float>(config_.beta),
                          .l1 = static_cast<float>(config_.l1),
                          .l2 = static_cast<float>(config_.l2),
                          .z_from_weights = context.slots_of_other_rates});
  }

  const OptimizerConfig config_;
};

}  // namespace

void Optimizer::InitializeSlot(int /*slot*/, std::span<const float> /*weights*/,
                               std::span<float> out) const {
  std::ranges::fill(out, 0.0f);
}

void Optimizer::Step(const StepContext& context,
                     std::span<const float> weights_in,
                     GradientView gradient_sum, std::span<float> weights_out,
                     Slots slots) const {
  const size_t count = weights_in.size();
  CHECK_EQ(gradient_sum.size(), count);
  CHECK_EQ(weights_out.size(), count);
  CHECK_EQ(static_cast<int>(slots.size()), SlotCount());
  RowStep row = {.weights_in = weights_in.data(),
                 .gradient_sum = gradient_sum.bytes(),
                 .weights_out = weights_out.data()};
  for (size_t s = 0; s < slots.size(); ++s) {
    CHECK_EQ(slots[s].size(), count);
    row.slots_in[s] = slots[s].data();
    row.slots_out[s] = slots[s].data();
  }
  StepRange(context, {.width = count, .rows = {&row, 1}});
}

void Optimizer::StepRows(const StepContext& context, size_t width,
                         std::span<const RowStep> rows) const {
  StepRange(context, {.width = width, .rows = rows});
}

void Optimizer::Step(const StepContext& context,
                     std::span<const float> weights_in,
                     GradientCursor& gradient_sum, std::span<float> weights_out,
                     Slots slots) const {
  CHECK_GE(gradient_sum.remaining(), weights_in.size());
  CHECK_EQ(static_cast<int>(slots.size()), SlotCount());
  std::array<std::span<float>, kMaxSlots> rest;
  std::ranges::copy(slots, rest.begin());
  while (!weights_in.empty()) {
    const GradientView run = gradient_sum.Next(weights_in.size());
    std::array<std::span<float>, kMaxSlots> part;
    for (size_t s = 0; s < slots.size(); ++s) {
      part[s] = rest[s].first(run.size());
      rest[s] = rest[s].subspan(run.size());
    }
    Step(context, weights_in.first(run.size()), run,
         weights_out.first(run.size()), std::span(part).first(slots.size()));
    weights_in = weights_in.subspan(run.size());
    weights_out = weights_out.subspan(run.size());
  }
}

absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(
    const OptimizerConfig& config) {
  EBB_RETURN_IF_ERROR(config.Validate());
  switch (config.kind) {
    case OptimizerKind::kSgd:
      return std::make_unique<Sgd>();
    case OptimizerKind::kMomentum:
    case OptimizerKind::kNesterov:
      return std::make_unique<Momentum>(config);
    case OptimizerKind::kAdagrad:
      return std::make_unique<Adagrad>(config);
    case OptimizerKind::kRmsProp:
      return std::make_unique<RmsProp>(config);
    case OptimizerKind::kAdam:
      return std::make_unique<Adam>(config);
    case OptimizerKind::kFtrl:
      return std::make_unique<Ftrl>(config);
    case OptimizerKind::kAdditive:
      return std::make_unique<Additive>();
  }
  return absl::InternalError("unreachable: the kind has been validated");
}

}  // namespace ebb::server

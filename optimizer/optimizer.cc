#include "optimizer/optimizer.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "ebb/v1/job.pb.h"
#include "optimizer/average.h"
#include "optimizer/internal/flush_subnormals.h"
#include "optimizer/internal/kernels.h"
#include "optimizer/weight_average.h"
#include "optimizer/weight_decay.h"

namespace ebb {
namespace {

// The head of optimizer.h says what the letters of the formulas mean.

// Rules whose slots decay step with it.
using internal::FlushSubnormals;
using internal::KernelRange;
using Slots = std::span<const std::span<float>>;

// w' = w - r f g
class Sgd : public Optimizer {
 public:
  std::span<const absl::string_view> SlotNames() const override { return {}; }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    internal::SgdKernel(range, context.gradient_scale, context.rate);
  }
};

// momentum   v' = mu v - r f g;  w' = w + v'
//            Sutskever et al. 2013, "On the importance of initialization and
//            momentum in deep learning", eqs. 1 and 2.
// nesterov   v' = mu v - r f g;  w' = w + mu v' - r f g
//            Their eqs. 3 and 4, with the look-ahead point theta + mu v stored
//            as w: so the gradient, taken at the weights a worker pulled, is
//            taken where Nesterov wants it.
class Momentum : public Optimizer {
 public:
  explicit Momentum(const v1::Optimizer& settings) : settings_(settings) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 1> kNames = {"velocity"};
    return kNames;
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    const FlushSubnormals flush;
    const internal::MomentumRule rule = {
        .scale = context.gradient_scale,
        .rate = context.rate,
        .momentum = static_cast<float>(settings_.momentum())};
    if (settings_.kind() == v1::Optimizer::KIND_NESTEROV) {
      internal::NesterovKernel(range, rule);
    } else {
      internal::MomentumKernel(range, rule);
    }
  }

  const v1::Optimizer settings_;
};

// n' = n + g^2;  w' = w - r f g / (sqrt(n') + eps)
// Duchi, Hazan, Singer 2011, "Adaptive subgradient methods", diagonal form.
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const v1::Optimizer& settings) : settings_(settings) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 1> kNames = {"squares"};
    return kNames;
  }
  void InitializeSlot(int /*slot*/, std::span<const float> /*weights*/,
                      std::span<float> out) const override {
    std::ranges::fill(out, static_cast<float>(settings_.initial_accumulator()));
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    internal::AdagradKernel(
        range, {.scale = context.gradient_scale,
                .rate = context.rate,
                .epsilon = static_cast<float>(settings_.epsilon())});
  }

  const v1::Optimizer settings_;
};

// n' = rho n + (1 - rho) g^2;  w' = w - r f g / (sqrt(n') + eps)
// Tieleman, Hinton 2012, "Lecture 6.5 - rmsprop".
class RmsProp : public Optimizer {
 public:
  explicit RmsProp(const v1::Optimizer& settings) : settings_(settings) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 1> kNames = {"mean_square"};
    return kNames;
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    const FlushSubnormals flush;
    internal::RmsPropKernel(
        range, {.scale = context.gradient_scale,
                .rate = context.rate,
                .epsilon = static_cast<float>(settings_.epsilon()),
                .decay = static_cast<float>(settings_.decay()),
                .one_minus_decay = static_cast<float>(1 - settings_.decay())});
  }

  const v1::Optimizer settings_;
};

// m' = b1 m + (1 - b1) f g;  n' = b2 n + (1 - b2) g^2
// w' = w - r m^ / (sqrt(n^) + eps)
// with m^ = m' / (1 - b1^t), n^ = n' / (1 - b2^t)
// Kingma, Ba 2015, "Adam", algorithm 1.
//
// There f is 1. Later steps make most of the way of a gradient: so f is a part
// of m, and not of this step's rate. In n the gradient is whole, since a
// smaller one there would make longer steps.
//
// adamw is adam with decoupled decay (weight_decay.h).
class Adam : public Optimizer {
 public:
  explicit Adam(const v1::Optimizer& settings) : settings_(settings) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 2> kNames = {
        "first_moment", "second_moment"};
    return kNames;
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    CHECK_GE(context.step, 1);
    const FlushSubnormals flush;
    const double correction1 = Correction(log_beta1_, context.step);
    const double correction2 = Correction(log_beta2_, context.step);
    internal::AdamKernel(
        range, {.scale = context.gradient_scale,
                .rate = static_cast<float>(context.rate / correction1),
                .root_scale = static_cast<float>(1 / std::sqrt(correction2)),
                .epsilon = static_cast<float>(settings_.epsilon()),
                .beta1 = static_cast<float>(settings_.beta1()),
                .one_minus_beta1 = static_cast<float>(1 - settings_.beta1()),
                .beta2 = static_cast<float>(settings_.beta2()),
                .one_minus_beta2 = static_cast<float>(1 - settings_.beta2())});
  }

  // 1 - beta^step, without cancellation for a beta near 1. For a beta of 0
  // the logarithm is -infinity and this is 1.
  static double Correction(double log_beta, int64_t step) {
    return -std::expm1(log_beta * static_cast<double>(step));
  }

  const v1::Optimizer settings_;
  const double log_beta1_ = std::log(settings_.beta1());
  const double log_beta2_ = std::log(settings_.beta2());
};

// n' = n + g^2
// z' = z + g - (sqrt(n') - sqrt(n)) / r w
// w' = 0 where |z'| <= l1, else
// w' = -(z' - sgn(z') l1) / ((beta + sqrt(n')) / r + l2)
// McMahan et al. 2013, "Ad click prediction", algorithm 1; r is always the
// configured rate. z starts where it gives the initial weight (with w = 0, at 0
// as in the paper). Slots may be of another rate. Then, if w is not 0, z is
// first set to the value that gives w at this rate:
// -w ((beta + sqrt(n)) / r + l2) - sgn(w) l1. So a smaller rate shortens steps,
// as in the others, and leaves weights where they are.
class Ftrl : public Optimizer {
 public:
  explicit Ftrl(const v1::Optimizer& settings) : settings_(settings) {}
  std::span<const absl::string_view> SlotNames() const override {
    static constexpr std::array<absl::string_view, 2> kNames = {"z", "squares"};
    return kNames;
  }

  // The z that the formula turns into the given weight.
  void InitializeSlot(int slot, std::span<const float> weights,
                      std::span<float> out) const override {
    if (slot != 0) return Optimizer::InitializeSlot(slot, weights, out);
    const double divisor = settings_.beta() / settings_.rate() + settings_.l2();
    for (size_t i = 0; i < weights.size(); ++i) {
      const double w = weights[i];
      out[i] = static_cast<float>(
          w == 0 ? 0 : -(w * divisor + std::copysign(settings_.l1(), w)));
    }
  }

 private:
  void StepRange(const StepContext& context,
                 const KernelRange& range) const override {
    internal::FtrlKernel(range,
                         {.scale = context.gradient_scale,
                          .inverse_rate = static_cast<float>(
                              1 / (settings_.rate() * context.rate_factor)),
                          .beta = static_cast<float>(settings_.beta()),
                          .l1 = static_cast<float>(settings_.l1()),
                          .l2 = static_cast<float>(settings_.l2()),
                          .z_from_weights = context.slots_of_other_rates});
  }

  const v1::Optimizer settings_;
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
                 .weights_out = weights_out.data(),
                 .late_factor = context.late_factor};
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

namespace {

absl::StatusOr<std::unique_ptr<Optimizer>> MakePlain(
    const v1::Optimizer& settings) {
  switch (settings.kind()) {
    case v1::Optimizer::KIND_SGD:
      return std::make_unique<Sgd>();
    case v1::Optimizer::KIND_MOMENTUM:
    case v1::Optimizer::KIND_NESTEROV:
      return std::make_unique<Momentum>(settings);
    case v1::Optimizer::KIND_ADAGRAD:
      return std::make_unique<Adagrad>(settings);
    case v1::Optimizer::KIND_RMSPROP:
      return std::make_unique<RmsProp>(settings);
    case v1::Optimizer::KIND_ADAM:
    case v1::Optimizer::KIND_ADAMW:
      return std::make_unique<Adam>(settings);
    case v1::Optimizer::KIND_AVERAGE:
      return MakeAverageRule(settings.share());
    case v1::Optimizer::KIND_FTRL:
      return std::make_unique<Ftrl>(settings);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("optimizer.kind: unknown value ", settings.kind()));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(
    const v1::Optimizer& settings) {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<Optimizer> optimizer,
                       MakePlain(settings));
  if (settings.weight_decay() != 0) {
    const bool decoupled = settings.kind() == v1::Optimizer::KIND_ADAMW;
    optimizer =
        WithWeightDecay(std::move(optimizer),
                        decoupled ? DecayKind::kDecoupled : DecayKind::kAdded,
                        settings.weight_decay());
  }
  if (!settings.has_ema() && !settings.has_swa()) return optimizer;
  AverageRule average = {.start = settings.swa()};
  if (settings.has_ema()) average.memory = settings.ema();
  return WithWeightAverage(std::move(optimizer), average);
}

}  // namespace ebb

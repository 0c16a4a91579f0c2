#include "optimizer/reference.h"

#include <algorithm>
#include <cmath>

namespace ebb {
namespace {

ReferenceValue Sum(std::initializer_list<ReferenceValue> terms) {
  ReferenceValue sum;
  for (const ReferenceValue& term : terms) {
    sum.value += term.value;
    sum.largest_term =
        std::max({sum.largest_term, term.largest_term, std::abs(term.value)});
  }
  return sum;
}

ReferenceValue Exact(double value) { return {value, std::abs(value)}; }

ReferenceValue Times(double factor, ReferenceValue value) {
  return {factor * value.value, std::abs(factor) * value.largest_term};
}

// An error of a factor of a square counts twice.
ReferenceValue Square(ReferenceValue value) {
  return {value.value * value.value,
          2 * std::abs(value.value) * value.largest_term};
}

// The slots of the rule without an average of weights.
size_t PlainSlots(v1::Optimizer::Kind kind) {
  switch (kind) {
    case v1::Optimizer::KIND_MOMENTUM:
    case v1::Optimizer::KIND_NESTEROV:
    case v1::Optimizer::KIND_ADAGRAD:
    case v1::Optimizer::KIND_RMSPROP:
      return 1;
    case v1::Optimizer::KIND_ADAM:
    case v1::Optimizer::KIND_ADAMW:
    case v1::Optimizer::KIND_FTRL:
      return 2;
    default:
      return 0;
  }
}

// a' = (1 - c) a + c w'
ReferenceValue Averaged(const v1::Optimizer& settings, int64_t step,
                        float average, ReferenceValue weight) {
  const auto after = static_cast<double>(step - settings.swa());
  const double share = settings.has_ema()
                           ? 1 - settings.ema()
                           : std::min(1.0, 1 / std::max(after, 1.0));
  return Sum(
      {Exact(average), Times(share, weight), Times(-share, Exact(average))});
}

}  // namespace

ReferenceResult ReferenceStep(
    const v1::Optimizer& settings, const StepContext& context, float weight,
    float gradient_sum, const std::array<float, Optimizer::kMaxSlots>& slots) {
  const bool decoupled = settings.kind() == v1::Optimizer::KIND_ADAMW;
  const double decay = settings.weight_decay();
  const double rate = context.rate;
  const double late = context.late_factor;
  const ReferenceValue w =
      decoupled ? Times(1 - rate * late * decay, Exact(weight)) : Exact(weight);
  const ReferenceValue s0 = Exact(slots[0]);
  const ReferenceValue s1 = Exact(slots[1]);
  const double t = static_cast<double>(context.step);
  const double scale = context.gradient_scale;
  const double examples = static_cast<double>(context.examples);
  const ReferenceValue g =
      decoupled || decay == 0
          ? Exact(scale * gradient_sum)
          : Times(scale,
                  Sum({Exact(gradient_sum), Exact(decay * examples * weight)}));

  ReferenceResult next;
  switch (settings.kind()) {
    case v1::Optimizer::KIND_SGD:
      next.weight = Sum({w, Times(-rate * late, g)});
      break;
    case v1::Optimizer::KIND_MOMENTUM:
      next.slots[0] =
          Sum({Times(settings.momentum(), s0), Times(-rate * late, g)});
      next.weight = Sum({w, next.slots[0]});
      break;
    case v1::Optimizer::KIND_NESTEROV:
      next.slots[0] =
          Sum({Times(settings.momentum(), s0), Times(-rate * late, g)});
      next.weight = Sum({w, Times(settings.momentum(), next.slots[0]),
                         Times(-rate * late, g)});
      break;
    case v1::Optimizer::KIND_ADAGRAD: {
      next.slots[0] = Sum({s0, Square(g)});
      const double root = std::sqrt(next.slots[0].value);
      next.weight =
          Sum({w, Times(-rate * late / (root + settings.epsilon()), g)});
      break;
    }
    case v1::Optimizer::KIND_RMSPROP: {
      next.slots[0] = Sum({Times(settings.decay(), s0),
                           Times(1 - settings.decay(), Square(g))});
      const double root = std::sqrt(next.slots[0].value);
      next.weight =
          Sum({w, Times(-rate * late / (root + settings.epsilon()), g)});
      break;
    }
    case v1::Optimizer::KIND_AVERAGE: {
      const double share = 1 - std::pow(1 - settings.share(),
                                        static_cast<double>(context.batches));
      next.weight = Sum(
          {w, Times(share, Exact(gradient_sum / examples)), Times(-share, w)});
      break;
    }
    case v1::Optimizer::KIND_ADAM:
    case v1::Optimizer::KIND_ADAMW: {
      next.slots[0] = Sum({Times(settings.beta1(), s0),
                           Times((1 - settings.beta1()) * late, g)});
      next.slots[1] = Sum({Times(settings.beta2(), s1),
                           Times(1 - settings.beta2(), Square(g))});
      const double corrected =
          next.slots[1].value / (1 - std::pow(settings.beta2(), t));
      const double factor = rate / (1 - std::pow(settings.beta1(), t)) /
                            (std::sqrt(corrected) + settings.epsilon());
      next.weight = Sum({w, Times(-factor, next.slots[0])});
      break;
    }
    case v1::Optimizer::KIND_FTRL: {
      next.slots[1] = Sum({s1, Square(g)});
      const double root = std::sqrt(next.slots[1].value);
      const double sigma = (root - std::sqrt(s1.value)) / settings.rate();
      next.slots[0] = Sum({s0, g, Times(-sigma, w)});
      const double z = next.slots[0].value;
      const double divisor =
          (settings.beta() + root) / settings.rate() + settings.l2();
      const ReferenceValue shrunk =
          Sum({next.slots[0], Exact(-std::copysign(settings.l1(), z))});
      next.weight = std::abs(z) <= settings.l1()
                        ? ReferenceValue{0, shrunk.largest_term / divisor}
                        : Times(-1 / divisor, shrunk);
      break;
    }
    default:  // additive.
      next.weight = Sum({w, Exact(gradient_sum)});
      break;
  }
  if (settings.has_ema() || settings.has_swa()) {
    const size_t slot = PlainSlots(settings.kind());
    next.slots[slot] =
        Averaged(settings, context.step, slots[slot], next.weight);
  }
  return next;
}

}  // namespace ebb

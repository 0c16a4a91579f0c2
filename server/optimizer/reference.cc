#include "server/optimizer/reference.h"

#include <algorithm>
#include <cmath>

namespace ebb::server {
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

}  // namespace

ReferenceResult ReferenceStep(
    const OptimizerConfig& config, const StepContext& context, float weight,
    float gradient_sum, const std::array<float, Optimizer::kMaxSlots>& slots) {
  const ReferenceValue w = Exact(weight);
  const ReferenceValue s0 = Exact(slots[0]);
  const ReferenceValue s1 = Exact(slots[1]);
  const double rate = context.rate;
  const double t = static_cast<double>(context.step);
  const ReferenceValue g =
      Exact(static_cast<double>(context.gradient_scale) * gradient_sum);

  ReferenceResult next;
  switch (config.kind) {
    case OptimizerKind::kSgd:
      next.weight = Sum({w, Times(-rate, g)});
      break;
    case OptimizerKind::kMomentum:
      next.slots[0] = Sum({Times(config.momentum, s0), Times(-rate, g)});
      next.weight = Sum({w, next.slots[0]});
      break;
    case OptimizerKind::kNesterov:
      next.slots[0] = Sum({Times(config.momentum, s0), Times(-rate, g)});
      next.weight =
          Sum({w, Times(config.momentum, next.slots[0]), Times(-rate, g)});
      break;
    case OptimizerKind::kAdagrad: {
      next.slots[0] = Sum({s0, Square(g)});
      const double root = std::sqrt(next.slots[0].value);
      next.weight = Sum({w, Times(-rate / (root + config.epsilon), g)});
      break;
    }
    case OptimizerKind::kRmsProp: {
      next.slots[0] =
          Sum({Times(config.decay, s0), Times(1 - config.decay, Square(g))});
      const double root = std::sqrt(next.slots[0].value);
      next.weight = Sum({w, Times(-rate / (root + config.epsilon), g)});
      break;
    }
    case OptimizerKind::kAdam: {
      next.slots[0] =
          Sum({Times(config.beta1, s0), Times(1 - config.beta1, g)});
      next.slots[1] =
          Sum({Times(config.beta2, s1), Times(1 - config.beta2, Square(g))});
      const double corrected =
          next.slots[1].value / (1 - std::pow(config.beta2, t));
      const double factor = rate / (1 - std::pow(config.beta1, t)) /
                            (std::sqrt(corrected) + config.epsilon);
      next.weight = Sum({w, Times(-factor, next.slots[0])});
      break;
    }
    case OptimizerKind::kFtrl: {
      next.slots[1] = Sum({s1, Square(g)});
      const double root = std::sqrt(next.slots[1].value);
      const double sigma = (root - std::sqrt(s1.value)) / config.rate;
      next.slots[0] = Sum({s0, g, Times(-sigma, w)});
      const double z = next.slots[0].value;
      const double divisor = (config.beta + root) / config.rate + config.l2;
      const ReferenceValue shrunk =
          Sum({next.slots[0], Exact(-std::copysign(config.l1, z))});
      next.weight = std::abs(z) <= config.l1
                        ? ReferenceValue{0, shrunk.largest_term / divisor}
                        : Times(-1 / divisor, shrunk);
      break;
    }
    case OptimizerKind::kAdditive:
      next.weight = Sum({w, Exact(gradient_sum)});
      break;
  }
  return next;
}

}  // namespace ebb::server

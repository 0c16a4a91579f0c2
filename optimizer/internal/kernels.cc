#include "optimizer/internal/kernels.h"

#include <cstdint>
#include <cstring>
#include <limits>

// Highway compiles the rest of this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "optimizer/internal/kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ebb::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// A load of floats at any address, by way of bytes: a misaligned float* is
// undefined behaviour even where the instruction does not mind.
template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const std::byte* from) {
#if HWY_TARGET == HWY_SCALAR  // Has no vectors of four bytes.
  float value;
  std::memcpy(&value, from, sizeof(value));
  return hn::Set(d, value);
#else
  const hn::Repartition<uint8_t, D> bytes;
  return hn::BitCast(d,
                     hn::LoadU(bytes, reinterpret_cast<const uint8_t*>(from)));
#endif
}

// Updates the whole vectors of type D of a row from element `i` on; returns
// the first element that is left.
template <int kSlots, class D, class Update>
HWY_INLINE size_t UpdateVectors(D d, const RowStep& row, size_t width, size_t i,
                                const Update& update) {
  const size_t lanes = hn::Lanes(d);
  for (; i + lanes <= width; i += lanes) {
    const auto weights = hn::LoadU(d, row.weights_in + i);
    const auto gradient = LoadFloats(d, row.gradient_sum + i * sizeof(float));
    auto slot0 = hn::Zero(d);
    auto slot1 = hn::Zero(d);
    if constexpr (kSlots > 0) slot0 = hn::LoadU(d, row.slots_in[0] + i);
    if constexpr (kSlots > 1) slot1 = hn::LoadU(d, row.slots_in[1] + i);
    hn::StoreU(update(d, row.late_factor, weights, gradient, slot0, slot1), d,
               row.weights_out + i);
    if constexpr (kSlots > 0) hn::StoreU(slot0, d, row.slots_out[0] + i);
    if constexpr (kSlots > 1) hn::StoreU(slot1, d, row.slots_out[1] + i);
  }
  return i;
}

// Calls `update(d, factor, w, G, slot0, slot1)` for each vector of each row,
// with the row's factor for late gradients. It returns the new weights and
// changes the slots it has. What does not fill a vector goes through smaller
// ones of the same operations, so that an element's result does not depend on
// where in a range it stands. (For the same reason this file is compiled with
// -ffp-contract=off: what is fused is written so.)
template <int kSlots, class Update>
HWY_INLINE void ForEachVector(const KernelRange& range,
                              const Update& update_ref) {
  // Copies, which no store through a pointer can change: they stay in
  // registers.
  const Update update = update_ref;
  const size_t width = range.width;
  for (const RowStep& row_ref : range.rows) {
    const RowStep row = row_ref;
    size_t i =
        UpdateVectors<kSlots>(hn::ScalableTag<float>(), row, width, 0, update);
    i = UpdateVectors<kSlots>(hn::CappedTag<float, 4>(), row, width, i, update);
    UpdateVectors<kSlots>(hn::CappedTag<float, 1>(), row, width, i, update);
  }
}

void Sgd(const KernelRange& range, float scale, float rate) {
  ForEachVector<0>(range, [=](auto d, float factor, auto w, auto sum, auto&,
                              auto&) HWY_ATTR {
    const auto g = hn::Mul(hn::Set(d, scale), sum);
    return hn::NegMulAdd(hn::Set(d, rate * factor), g, w);
  });
}

void Additive(const KernelRange& range) {
  ForEachVector<0>(range, [](auto /*d*/, float, auto w, auto sum, auto&, auto&)
                              HWY_ATTR { return hn::Add(w, sum); });
}

void Average(const KernelRange& range, float scale, float share) {
  ForEachVector<0>(range,
                   [=](auto d, float, auto w, auto sum, auto&, auto&) HWY_ATTR {
                     const auto away = hn::MulSub(hn::Set(d, scale), sum, w);
                     return hn::MulAdd(hn::Set(d, share), away, w);
                   });
}

void Momentum(const KernelRange& range, const MomentumRule& rule) {
  ForEachVector<1>(range, [=](auto d, float factor, auto w, auto sum,
                              auto& velocity, auto&) HWY_ATTR {
    const auto g = hn::Mul(hn::Set(d, rule.scale), sum);
    velocity = hn::NegMulAdd(hn::Set(d, rule.rate * factor), g,
                             hn::Mul(hn::Set(d, rule.momentum), velocity));
    return hn::Add(w, velocity);
  });
}

void Nesterov(const KernelRange& range, const MomentumRule& rule) {
  ForEachVector<1>(range, [=](auto d, float factor, auto w, auto sum,
                              auto& velocity, auto&) HWY_ATTR {
    const auto g = hn::Mul(hn::Set(d, rule.scale), sum);
    const auto momentum = hn::Set(d, rule.momentum);
    const auto step = hn::Mul(hn::Set(d, rule.rate * factor), g);
    velocity = hn::MulSub(momentum, velocity, step);
    return hn::Add(w, hn::MulSub(momentum, velocity, step));
  });
}

// w - rate * numerator / divisor
template <class D, class V>
HWY_INLINE V ScaledStep(D d, V w, float rate, V numerator, V divisor) {
  return hn::Sub(w, hn::Div(hn::Mul(hn::Set(d, rate), numerator), divisor));
}

void Adagrad(const KernelRange& range, const AdagradRule& rule) {
  ForEachVector<1>(range, [=](auto d, float factor, auto w, auto sum,
                              auto& squares, auto&) HWY_ATTR {
    const auto g = hn::Mul(hn::Set(d, rule.scale), sum);
    squares = hn::MulAdd(g, g, squares);
    return ScaledStep(d, w, rule.rate * factor, g,
                      hn::Add(hn::Sqrt(squares), hn::Set(d, rule.epsilon)));
  });
}

void RmsProp(const KernelRange& range, const RmsPropRule& rule) {
  ForEachVector<1>(range, [=](auto d, float factor, auto w, auto sum,
                              auto& square, auto&) HWY_ATTR {
    const auto g = hn::Mul(hn::Set(d, rule.scale), sum);
    square = hn::MulAdd(hn::Set(d, rule.one_minus_decay), hn::Mul(g, g),
                        hn::Mul(hn::Set(d, rule.decay), square));
    return ScaledStep(d, w, rule.rate * factor, g,
                      hn::Add(hn::Sqrt(square), hn::Set(d, rule.epsilon)));
  });
}

void Adam(const KernelRange& range, const AdamRule& rule) {
  ForEachVector<2>(range, [=](auto d, float factor, auto w, auto sum,
                              auto& first, auto& second) HWY_ATTR {
    const auto g = hn::Mul(hn::Set(d, rule.scale), sum);
    first = hn::MulAdd(hn::Set(d, rule.one_minus_beta1 * factor), g,
                       hn::Mul(hn::Set(d, rule.beta1), first));
    second = hn::MulAdd(hn::Set(d, rule.one_minus_beta2), hn::Mul(g, g),
                        hn::Mul(hn::Set(d, rule.beta2), second));
    return ScaledStep(d, w, rule.rate, first,
                      hn::MulAdd(hn::Sqrt(second), hn::Set(d, rule.root_scale),
                                 hn::Set(d, rule.epsilon)));
  });
}

template <bool kZFromWeights>
void FtrlSteps(const KernelRange& range, const FtrlRule& rule) {
  ForEachVector<2>(range, [=](auto d, float, auto w, auto sum, auto& z,
                              auto& squares) HWY_ATTR {
    const auto g = hn::Mul(hn::Set(d, rule.scale), sum);
    const auto root_before = hn::Sqrt(squares);
    const auto inverse_rate = hn::Set(d, rule.inverse_rate);
    const auto l1 = hn::Set(d, rule.l1);
    const auto beta = hn::Set(d, rule.beta);
    const auto l2 = hn::Set(d, rule.l2);
    if constexpr (kZFromWeights) {
      const auto divisor =
          hn::MulAdd(hn::Add(beta, root_before), inverse_rate, l2);
      const auto stands = hn::Neg(hn::MulAdd(w, divisor, hn::CopySign(l1, w)));
      z = hn::IfThenElse(hn::Eq(w, hn::Zero(d)), z, stands);
    }
    squares = hn::MulAdd(g, g, squares);
    const auto root = hn::Sqrt(squares);
    // sqrt(n') - sqrt(n) = g^2 / (sqrt(n') + sqrt(n)) does not cancel.
    // The smallest number stands in for the 0 of 0 / 0.
    const auto tiny = hn::Set(d, std::numeric_limits<float>::min());
    const auto growth =
        hn::Div(hn::Mul(g, g), hn::Max(hn::Add(root, root_before), tiny));
    z = hn::NegMulAdd(hn::Mul(growth, inverse_rate), w, hn::Add(z, g));

    const auto size = hn::Abs(z);
    const auto divisor = hn::MulAdd(hn::Add(beta, root), inverse_rate, l2);
    const auto weight =
        hn::Div(hn::CopySign(hn::Sub(size, l1), hn::Neg(z)), divisor);
    return hn::IfThenZeroElse(hn::Le(size, l1), weight);
  });
}

void Ftrl(const KernelRange& range, const FtrlRule& rule) {
  rule.z_from_weights ? FtrlSteps<true>(range, rule)
                      : FtrlSteps<false>(range, rule);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ebb::internal
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ebb::internal {
namespace {

HWY_EXPORT(Sgd);
HWY_EXPORT(Additive);
HWY_EXPORT(Average);
HWY_EXPORT(Momentum);
HWY_EXPORT(Nesterov);
HWY_EXPORT(Adagrad);
HWY_EXPORT(RmsProp);
HWY_EXPORT(Adam);
HWY_EXPORT(Ftrl);

}  // namespace

void SgdKernel(const KernelRange& range, float scale, float rate) {
  HWY_DYNAMIC_DISPATCH(Sgd)(range, scale, rate);
}
void AdditiveKernel(const KernelRange& range) {
  HWY_DYNAMIC_DISPATCH(Additive)(range);
}
void AverageKernel(const KernelRange& range, float scale, float share) {
  HWY_DYNAMIC_DISPATCH(Average)(range, scale, share);
}
void MomentumKernel(const KernelRange& range, const MomentumRule& rule) {
  HWY_DYNAMIC_DISPATCH(Momentum)(range, rule);
}
void NesterovKernel(const KernelRange& range, const MomentumRule& rule) {
  HWY_DYNAMIC_DISPATCH(Nesterov)(range, rule);
}
void AdagradKernel(const KernelRange& range, const AdagradRule& rule) {
  HWY_DYNAMIC_DISPATCH(Adagrad)(range, rule);
}
void RmsPropKernel(const KernelRange& range, const RmsPropRule& rule) {
  HWY_DYNAMIC_DISPATCH(RmsProp)(range, rule);
}
void AdamKernel(const KernelRange& range, const AdamRule& rule) {
  HWY_DYNAMIC_DISPATCH(Adam)(range, rule);
}
void FtrlKernel(const KernelRange& range, const FtrlRule& rule) {
  HWY_DYNAMIC_DISPATCH(Ftrl)(range, rule);
}

}  // namespace ebb::internal
#endif  // HWY_ONCE

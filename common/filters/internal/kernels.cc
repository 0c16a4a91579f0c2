#include "common/filters/internal/kernels.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

// Highway compiles the rest of this file once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/filters/internal/kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ebb::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Loads and stores at any address: a misaligned pointer to anything but bytes
// is undefined behaviour even where the instruction does not mind.
template <class D>
HWY_INLINE hn::Vec<D> Load(D d, const std::byte* from) {
  HWY_ALIGN hn::TFromD<D> values[hn::MaxLanes(D())];
  std::memcpy(values, from, hn::Lanes(d) * sizeof(hn::TFromD<D>));
  return hn::Load(d, values);
}
template <class D, class V>
HWY_INLINE void Store(V value, D d, std::byte* to) {
  HWY_ALIGN hn::TFromD<D> values[hn::MaxLanes(D())];
  hn::Store(value, d, values);
  std::memcpy(to, values, hn::Lanes(d) * sizeof(hn::TFromD<D>));
}

// Calls `f(d, i)` for the elements from each `i` on, as many as `d` has lanes:
// in the end through ever smaller vectors of the same operations.
template <class D, class F>
HWY_INLINE size_t Vectors(D d, size_t i, size_t count, const F& f) {
  const size_t lanes = hn::Lanes(d);
  for (; i + lanes <= count; i += lanes) f(d, i);
  return i;
}
template <class F>
HWY_INLINE void ForEachVector(size_t count, const F& f) {
  size_t i = Vectors(hn::ScalableTag<float>(), 0, count, f);
  i = Vectors(hn::CappedTag<float, 4>(), i, count, f);
  Vectors(hn::CappedTag<float, 1>(), i, count, f);
}

template <class D>
using Bits = hn::RebindToUnsigned<D>;

// The low halves of words that are at most 0xffff.
template <class D>
HWY_INLINE void StoreHalves(hn::Vec<Bits<D>> words, D, std::byte* to) {
  const hn::RebindToSigned<D> signed_words;
  const hn::Rebind<uint16_t, D> halves;
  Store(hn::DemoteTo(halves, hn::BitCast(signed_words, words)), halves, to);
}
template <class D>
HWY_INLINE hn::Vec<Bits<D>> LoadHalves(D, const std::byte* from) {
  const hn::Rebind<uint16_t, D> halves;
  return hn::PromoteTo(Bits<D>(), Load(halves, from));
}

constexpr uint32_t kSign = 0x80000000, kInfinity = 0x7f800000;

// Stores the rounded magnitude of each of `floats`, unless that is
// infinite or NaN, with its sign.
template <uint32_t kHalfInfinity, uint32_t kHalfNan, class D>
HWY_INLINE void StoreSigned(hn::Vec<Bits<D>> half, hn::Vec<Bits<D>> floats, D d,
                            std::byte* to) {
  const Bits<D> u;
  const auto magnitude = hn::AndNot(hn::Set(u, kSign), floats);
  half = hn::IfThenElse(hn::Eq(magnitude, hn::Set(u, kInfinity)),
                        hn::Set(u, kHalfInfinity), half);
  half = hn::IfThenElse(hn::Gt(magnitude, hn::Set(u, kInfinity)),
                        hn::Set(u, kHalfNan), half);
  const auto sign = hn::ShiftRight<16>(hn::And(floats, hn::Set(u, kSign)));
  StoreHalves(hn::Or(half, sign), d, to);
}

void Bfloat16Of(const std::byte* floats, size_t count, std::byte* out) {
  ForEachVector(count, [=](auto d, size_t i) HWY_ATTR {
    const Bits<decltype(d)> u;
    const auto bits = hn::BitCast(u, Load(d, floats + i * 4));
    const auto magnitude = hn::AndNot(hn::Set(u, kSign), bits);
    const auto odd = hn::And(hn::ShiftRight<16>(magnitude), hn::Set(u, 1));
    auto half = hn::ShiftRight<16>(
        hn::Add(magnitude, hn::Add(hn::Set(u, 0x7fff), odd)));
    // The largest, not infinity.
    half = hn::Min(half, hn::Set(u, 0x7f7f));
    StoreSigned<0x7f80, 0x7fc0>(half, bits, d, out + i * 2);
  });
}

void Bfloat16From(const std::byte* halves, size_t count, float* out) {
  ForEachVector(count, [=](auto d, size_t i) HWY_ATTR {
    const auto half = LoadHalves(d, halves + i * 2);
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(half)), d, out + i);
  });
}

void Float16Of(const std::byte* floats, size_t count, std::byte* out) {
  ForEachVector(count, [=](auto d, size_t i) HWY_ATTR {
    const Bits<decltype(d)> u;
    const auto bits = hn::BitCast(u, Load(d, floats + i * 4));
    const auto magnitude = hn::AndNot(hn::Set(u, kSign), bits);
    // Normal ones: another bias of the exponent, and thirteen bits fewer.
    constexpr uint32_t kRebias = (uint32_t{15} - 127) << 23;
    const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(u, 1));
    auto half = hn::ShiftRight<13>(
        hn::Add(magnitude, hn::Add(hn::Set(u, kRebias + 0xfff), odd)));
    // The largest, not infinity.
    half = hn::Min(half, hn::Set(u, 0x7bff));
    // Below 2^-14: the sum with 1/2 has their bits at its end, rounded.
    const auto shifted =
        hn::BitCast(u, hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5f)));
    half = hn::IfThenElse(hn::Lt(magnitude, hn::Set(u, 0x38800000)),
                          hn::Sub(shifted, hn::Set(u, 0x3f000000)), half);
    StoreSigned<0x7c00, 0x7e00>(half, bits, d, out + i * 2);
  });
}

void Float16From(const std::byte* halves, size_t count, float* out) {
  ForEachVector(count, [=](auto d, size_t i) HWY_ATTR {
    const Bits<decltype(d)> u;
    const auto half = LoadHalves(d, halves + i * 2);
    const auto magnitude = hn::And(half, hn::Set(u, 0x7fff));
    const auto wide = hn::ShiftLeft<13>(magnitude);
    constexpr uint32_t kRebias = uint32_t{127 - 15} << 23;
    auto bits = hn::Add(wide, hn::Set(u, kRebias));
    // Infinity and NaN have the largest exponent in both.
    bits = hn::IfThenElse(hn::Gt(magnitude, hn::Set(u, 0x7bff)),
                          hn::Or(wide, hn::Set(u, kInfinity)), bits);
    // Without a leading one: as a fraction beside 2^-14, which is taken away.
    const auto least = hn::Set(u, uint32_t{127 - 14} << 23);
    const auto small =
        hn::Sub(hn::BitCast(d, hn::Or(wide, least)), hn::BitCast(d, least));
    bits = hn::IfThenElse(hn::Lt(magnitude, hn::Set(u, 0x400)),
                          hn::BitCast(u, small), bits);
    const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(u, 0x8000)));
    hn::StoreU(hn::BitCast(d, hn::Or(bits, sign)), d, out + i);
  });
}

// Returns the same as Noise::Bits.
template <class U>
HWY_INLINE hn::Vec<U> NoiseBits(U u, const Noise& noise, hn::Vec<U> index) {
  auto x = hn::Xor(index, hn::Set(u, static_cast<uint32_t>(noise.seed)));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(u, Noise::kFirst));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<15>(x)), hn::Set(u, Noise::kSecond));
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  x = hn::Xor(x, hn::Set(u, static_cast<uint32_t>(noise.seed >> 32)));
  x = hn::Mul(x, hn::Set(u, Noise::kThird));
  return hn::Xor(x, hn::ShiftRight<15>(x));
}

// Compares magnitudes as bits: these are in the order of the values, and values
// that are not finite are above all others.
uint32_t LargestMagnitude(const std::byte* floats, size_t count) {
  uint32_t largest = 0;
  uint32_t* const result = &largest;
  ForEachVector(count, [=](auto d, size_t i) HWY_ATTR {
    const Bits<decltype(d)> u;
    const auto bits = hn::BitCast(u, Load(d, floats + i * 4));
    const auto here =
        hn::GetLane(hn::MaxOfLanes(u, hn::AndNot(hn::Set(u, kSign), bits)));
    *result = here > *result ? here : *result;
  });
  return largest;
}

void Int8Of(const std::byte* floats, size_t count, const Noise& noise_ref,
            uint32_t index, std::byte* out) {
  const Noise noise = noise_ref;
  const uint32_t largest_bits = LargestMagnitude(floats, count);
  float largest;
  std::memcpy(&largest, &largest_bits, sizeof(largest));
  // For the largest floats 127 times their 127th would be infinite.
  constexpr float kMostOfScale = 0x1.020406p121f;
  float scale = largest / 127.0f;
  if (scale > kMostOfScale) scale = kMostOfScale;
  if (largest_bits >= kInfinity)
    scale = std::numeric_limits<float>::quiet_NaN();
  // A smaller one has too few bits, or no inverse.
  if (scale < std::numeric_limits<float>::min()) {
    scale = largest == 0 ? 0 : std::numeric_limits<float>::min();
  }
  std::memcpy(out, &scale, sizeof(scale));
  std::byte* const numbers = out + sizeof(scale);
  if (!(scale > 0)) {
    std::memset(numbers, 0, count);
    return;
  }
  const float inverse = 1.0f / scale;
  ForEachVector(count, [=](auto d, size_t i) HWY_ATTR {
    const Bits<decltype(d)> u;
    const hn::RebindToSigned<decltype(d)> words;
    const hn::Rebind<int8_t, decltype(d)> bytes;
    const auto at = hn::Iota(u, index + static_cast<uint32_t>(i));
    const auto random = hn::ConvertTo(
        d, hn::BitCast(words, hn::ShiftRight<8>(NoiseBits(u, noise, at))));
    const auto exact = hn::Mul(Load(d, floats + i * 4), hn::Set(d, inverse));
    auto whole =
        hn::Floor(hn::Add(exact, hn::Mul(random, hn::Set(d, 0x1p-24f))));
    whole = hn::Clamp(whole, hn::Set(d, -127.0f), hn::Set(d, 127.0f));
    Store(hn::DemoteTo(bytes, hn::ConvertTo(words, whole)), bytes, numbers + i);
  });
}

void Int8From(const std::byte* block, size_t count, float* out) {
  float scale;
  std::memcpy(&scale, block, sizeof(scale));
  const std::byte* const numbers = block + sizeof(scale);
  ForEachVector(count, [=](auto d, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> words;
    const hn::Rebind<int8_t, decltype(d)> bytes;
    const auto whole = hn::PromoteTo(words, Load(bytes, numbers + i));
    hn::StoreU(hn::Mul(hn::ConvertTo(d, whole), hn::Set(d, scale)), d, out + i);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ebb::internal
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ebb::internal {

HWY_EXPORT(Bfloat16Of);
HWY_EXPORT(Bfloat16From);
HWY_EXPORT(Float16Of);
HWY_EXPORT(Float16From);
HWY_EXPORT(Int8Of);
HWY_EXPORT(Int8From);

void ToBfloat16(const std::byte* floats, size_t count, std::byte* out) {
  HWY_DYNAMIC_DISPATCH(Bfloat16Of)(floats, count, out);
}
void FromBfloat16(const std::byte* halves, size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(Bfloat16From)(halves, count, out);
}
void ToFloat16(const std::byte* floats, size_t count, std::byte* out) {
  HWY_DYNAMIC_DISPATCH(Float16Of)(floats, count, out);
}
void FromFloat16(const std::byte* halves, size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(Float16From)(halves, count, out);
}
void ToInt8(const std::byte* floats, size_t count, const Noise& noise,
            uint32_t index, std::byte* out) {
  HWY_DYNAMIC_DISPATCH(Int8Of)(floats, count, noise, index, out);
}
void FromInt8(const std::byte* block, size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(Int8From)(block, count, out);
}

}  // namespace ebb::internal
#endif  // HWY_ONCE

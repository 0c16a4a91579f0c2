// The noise of stochastic rounding: a function of (seed, index). No state is
// kept between two calls, and every process rounds the same values with the
// same seed in the same way.
#ifndef EBB_COMMON_FILTERS_NOISE_H_
#define EBB_COMMON_FILTERS_NOISE_H_

#include <cstdint>

namespace ebb {

struct Noise {
  uint64_t seed = 0;

  // The constants of Bits, for callers that compute many at a time.
  static constexpr uint32_t kFirst = 0x7feb352d, kSecond = 0x846ca68b,
                            kThird = 0x9e3779b1;

  // 32 evenly distributed bits: the mixer lowbias32 (Wellons 2018) of the
  // index and half of the seed, then a round with the other half.
  uint32_t Bits(uint32_t index) const {
    uint32_t x = index ^ static_cast<uint32_t>(seed);
    x = (x ^ (x >> 16)) * kFirst;
    x = (x ^ (x >> 15)) * kSecond;
    x ^= x >> 16;
    x = (x ^ static_cast<uint32_t>(seed >> 32)) * kThird;
    return x ^ (x >> 15);
  }
  // In [0, 1).
  float Uniform(uint32_t index) const {
    return static_cast<float>(Bits(index) >> 8) * 0x1p-24f;
  }
};

}  // namespace ebb

#endif  // EBB_COMMON_FILTERS_NOISE_H_

#include "common/filters/noise.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace ebb {
namespace {

TEST(NoiseTest, IsTheSameForAllTime) {
  EXPECT_EQ((Noise{0}.Bits(0)), 0x0u);
  EXPECT_EQ((Noise{0}.Bits(1)), 0xe5c61f4fu);
  EXPECT_EQ((Noise{1}.Bits(0)), 0xe5c61f4fu);
  EXPECT_EQ((Noise{0x123456789abcdef0}.Bits(7)), 0xa33638ceu);
  EXPECT_EQ((Noise{uint64_t{1} << 32}.Bits(0)), 0x9e3645dfu);
}

TEST(NoiseTest, IsEvenlyDistributedWhateverTheSeed) {
  constexpr int kBuckets = 16, kDraws = 16'000;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
    int counts[kBuckets] = {};
    for (uint32_t i = 0; i < kDraws; ++i) {
      const float u = Noise{seed}.Uniform(i);
      ASSERT_GE(u, 0);
      ASSERT_LT(u, 1);
      ++counts[static_cast<int>(u * kBuckets)];
    }
    // 1000 each, with a deviation of 31.
    for (const int count : counts) EXPECT_NEAR(count, 1000, 155);
  }
}

TEST(NoiseTest, NeighbouringSeedsHaveNothingInCommon) {
  // The share of pairs on the same side of one half.
  int together = 0;
  constexpr int kDraws = 10'000;
  for (uint32_t i = 0; i < kDraws; ++i) {
    together += (Noise{40}.Uniform(i) < 0.5f) == (Noise{41}.Uniform(i) < 0.5f);
  }
  EXPECT_NEAR(together, kDraws / 2.0, 250);
}

}  // namespace
}  // namespace ebb

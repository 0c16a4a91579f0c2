#include "bench/common/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <vector>

namespace ebb::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;

TEST(LimitsTest, TriadAndSgdComputeWhatTheySay) {
  std::vector<float> a(3), b = {1, 2, 3};
  const std::vector<float> c = {10, 20, 30};
  Triad(a, b, c, 0.5f);
  EXPECT_THAT(a, ElementsAre(6, 12, 18));
  PlainSgd(b, c, 0.1f);
  EXPECT_THAT(b, ElementsAre(0, 0, 0));
}

TEST(LimitsTest, WordsAreSummedAtAnyAddress) {
  std::array<std::byte, 11> bytes = {};
  bytes[1] = std::byte{2};   // First word, lowest byte.
  bytes[6] = std::byte{1};   // Second word, second byte.
  bytes[9] = std::byte{77};  // Of no word.
  EXPECT_EQ(WordSum(std::span(bytes).subspan(1)), 2u + 256u);
}

TEST(LimitsTest, FloatsBeginAtCacheLinesAndAreZero) {
  AlignedFloats floats(17);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(floats.span().data()) % 64, 0u);
  EXPECT_EQ(floats.span().size(), 17u);
  EXPECT_EQ(WordSum(floats.bytes()), 0u);
}

TEST(LimitsTest, KnowsTheMachine) {
  EXPECT_GT(LastLevelCacheBytes(), 0);
  EXPECT_THAT(MachineText(), ::testing::HasSubstr("cores"));
  EXPECT_THAT(CongestionControl(), Not(::testing::IsEmpty()));
  EXPECT_GT(CopyBytesPerSecond(4096), 0);
}

TEST(LimitsTest, CpuTimeOfThisProcessIsTheSameByEitherName) {
  const double before = CpuSeconds(0);
  const double named = CpuSeconds(getpid());
  EXPECT_LE(before, named);
  EXPECT_LE(named, CpuSeconds(0));
}

}  // namespace
}  // namespace ebb::bench

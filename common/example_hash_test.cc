#include "common/example_hash.h"

#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace ebb {
namespace {

// The vectors of docs/data-order.md, computed by its independent program.

TEST(ExampleHashTest, MixerMatchesItsVectors) {
  EXPECT_EQ(Mix64(0), 0u);
  EXPECT_EQ(Mix64(1), 0x5692161d100b05e5u);
  EXPECT_EQ(Mix64(0x9e3779b97f4a7c15u), 0xe220a8397b1dcdafu);
  EXPECT_EQ(Mix64(~uint64_t{0}), 0xb4d055fcf2cbbd7bu);
}

TEST(ExampleHashTest, AppendingCountsUpLikeSplitMix64) {
  // The published outputs of SplitMix64 started at 0.
  EXPECT_EQ(HashAppend(0, 0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(HashAppend(0, 1), 0x6e789e6aa1b965f4u);
  EXPECT_EQ(HashAppend(0, 2), 0x06c45d188009454fu);
}

TEST(ExampleHashTest, ExampleMatchesItsVectors) {
  EXPECT_EQ(ExampleHash({0, 0}, 0), 0x238275bc38fcbe91u);
  EXPECT_EQ(ExampleHash({0, 0}, 1), 0xf89a2566b5822c54u);
  EXPECT_EQ(ExampleHash({0, 1}, 0), 0x2f101fe21496ea20u);
  EXPECT_EQ(ExampleHash({1, 0}, 0), 0x80abe802ac1e182eu);
  EXPECT_EQ(ExampleHash({7, 469}, 127), 0x46bd1a1372ebc6d4u);
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(ExampleHash({kMax, kMax}, int64_t{1} << 40), 0xe339e08e6c0a4385u);
}

TEST(ExampleHashTest, SumOfARangeIsTheSumOfItsExamples) {
  EXPECT_EQ(ExampleHashSum({0, 0}, 0, 2),
            0x238275bc38fcbe91u + 0xf89a2566b5822c54u);
  EXPECT_EQ(ExampleHashSum({3, 17}, 0, 128), 0x7ecb6f1d4816b532u);
  EXPECT_EQ(ExampleHashSum({3, 17}, 5, 5), 0u);
}

}  // namespace
}  // namespace ebb

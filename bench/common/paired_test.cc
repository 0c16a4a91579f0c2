#include "bench/common/paired.h"

#include <gtest/gtest.h>

#include <vector>

namespace ebb::bench {
namespace {

constexpr Bound kAtLeast{Bound::Kind::kAtLeast, 0.8};
constexpr Bound kAtMost{Bound::Kind::kAtMost, 1.5};

TEST(PairedTest, TheMedianIsInTheMiddle) {
  EXPECT_EQ(Median({3, 1, 100}), 3);
  EXPECT_EQ(Median({4, 1, 2, 100}), 3);
  EXPECT_EQ(Median({7}), 7);
}

// The median of ratios, not the ratio of medians (which is 2 here): the second
// pair was taken while the machine was slow.
TEST(PairedTest, ARatioIsTheMedianOfThePairs) {
  const PairedRatio ratio =
      RatioOf(std::vector<double>{8, 2, 6}, std::vector<double>{10, 4, 3});
  EXPECT_EQ(ratio.median, 0.8);
  EXPECT_EQ(ratio.low, 0.5);
  EXPECT_EQ(ratio.high, 2);
  EXPECT_EQ(ratio.pairs, 3);
}

TEST(PairedTest, ABoundAllowsItsOwnValue) {
  EXPECT_TRUE(kAtLeast.Allows(0.8));
  EXPECT_FALSE(kAtLeast.Allows(0.799));
  EXPECT_TRUE(kAtMost.Allows(1.5));
  EXPECT_FALSE(kAtMost.Allows(1.501));
  EXPECT_EQ(kAtLeast.ToString(), ">= 0.8");
  EXPECT_EQ(kAtMost.ToString(), "<= 1.5");
}

TEST(PairedTest, ARowHoldsByItsMedianOnly) {
  const std::vector<double> limits = {10, 10, 10};
  const Row good =
      MakeRow("push", "GB/s", std::vector<double>{1, 9, 9}, limits, kAtLeast);
  EXPECT_TRUE(good.holds());
  EXPECT_EQ(good.limit, 10);
  EXPECT_EQ(good.ours, 9);
  const Row bad =
      MakeRow("push", "GB/s", std::vector<double>{9, 7, 7}, limits, kAtLeast);
  EXPECT_FALSE(bad.holds());
  EXPECT_TRUE(AllHold(std::vector<Row>{good, good}));
  EXPECT_FALSE(AllHold(std::vector<Row>{good, bad}));
}

TEST(PairedTest, ARowWithoutABoundHolds) {
  const Row row = MakeRow("push", "GB/s", std::vector<double>{1},
                          std::vector<double>{1000}, std::nullopt);
  EXPECT_TRUE(row.holds());
}

}  // namespace
}  // namespace ebb::bench

#include "client/round_share.h"

#include <gtest/gtest.h>

namespace ebb::client {
namespace {

constexpr int32_t kUsual = 2;

RoundShare Share(int64_t items, absl::Duration batch) {
  RoundShare share;
  for (int i = 0; i < 9; ++i) share.Computed(batch);
  for (int64_t i = 0; i < items; ++i) share.Leased(0);
  share.Leased(1);
  return share;
}

TEST(RoundShareTest, IsTheUsualUntilARoundIsOver) {
  RoundShare share;
  EXPECT_EQ(share.ItemsToHold(kUsual), kUsual);
  for (int i = 0; i < 9; ++i) share.Computed(absl::Milliseconds(1));
  for (int64_t i = 0; i < 100; ++i) share.Leased(0);
  EXPECT_EQ(share.ItemsToHold(kUsual), kUsual);
  share.Leased(1);
  EXPECT_EQ(share.ItemsToHold(kUsual), kUsual + 2);
}

TEST(RoundShareTest, IsAQuarterOfARoundOfShortBatches) {
  constexpr absl::Duration kBatch = absl::Milliseconds(1);
  EXPECT_EQ(Share(11, kBatch).ItemsToHold(kUsual), 2);
  EXPECT_EQ(Share(12, kBatch).ItemsToHold(kUsual), 3);
  EXPECT_EQ(Share(16, kBatch).ItemsToHold(kUsual), 4);
  EXPECT_EQ(Share(1000, kBatch).ItemsToHold(kUsual), 4);
}

TEST(RoundShareTest, IsTheUsualIfBatchesTakeLong) {
  EXPECT_EQ(Share(1000, absl::Milliseconds(11)).ItemsToHold(kUsual), kUsual);
}

TEST(RoundShareTest, IsTheUsualAfterARoundOfOthers) {
  RoundShare share = Share(1000, absl::Milliseconds(1));
  share.Leased(3);
  EXPECT_EQ(share.ItemsToHold(kUsual), kUsual);
}

TEST(RoundShareTest, NeverIsLessThanTheUsual) {
  EXPECT_EQ(Share(16, absl::Milliseconds(1)).ItemsToHold(8), 8);
}

}  // namespace
}  // namespace ebb::client

#include "client/pull_start.h"

#include <gtest/gtest.h>

namespace ebb::client {
namespace {

constexpr absl::Duration kMs = absl::Milliseconds(1);

void Fill(PullStart* start, absl::Duration pull, absl::Duration batch) {
  for (int i = 0; i < 16; ++i) {
    start->Pulled(pull);
    start->Computed(batch);
  }
}

TEST(PullStartTest, IsWithTheBatchWhileLittleIsKnown) {
  PullStart start(/*assembles=*/false);
  EXPECT_EQ(start.After(), absl::ZeroDuration());
  for (int i = 0; i < 15; ++i) {
    start.Pulled(kMs);
    start.Computed(20 * kMs);
  }
  start.Computed(20 * kMs);
  EXPECT_EQ(start.After(), absl::ZeroDuration());
  start.Pulled(kMs);
  EXPECT_GT(start.After(), absl::ZeroDuration());
}

TEST(PullStartTest, IsJustInTime) {
  PullStart start(/*assembles=*/false);
  Fill(&start, 3 * kMs, 20 * kMs);
  EXPECT_EQ(start.After(), 16 * kMs);
}

TEST(PullStartTest, IsWithTheBatchWherePullsTakeAsLong) {
  PullStart start(/*assembles=*/false);
  Fill(&start, 20 * kMs, 20 * kMs);
  EXPECT_EQ(start.After(), absl::ZeroDuration());
  Fill(&start, 50 * kMs, 20 * kMs);
  EXPECT_EQ(start.After(), absl::ZeroDuration());
}

TEST(PullStartTest, IsWithAShortBatch) {
  PullStart start(/*assembles=*/false);
  Fill(&start, kMs / 10, kMs);
  EXPECT_EQ(start.After(), absl::ZeroDuration());
}

TEST(PullStartTest, IsWithTheBatchWhereThereIsLittleToGain) {
  PullStart start(/*assembles=*/false);
  Fill(&start, 15 * kMs, 20 * kMs);
  EXPECT_EQ(start.After(), absl::ZeroDuration());
  Fill(&start, 14 * kMs, 20 * kMs);
  EXPECT_EQ(start.After(), 5 * kMs);
}

TEST(PullStartTest, WaitsForPushesThatFitIntoTheBatchWithThePull) {
  PullStart start(/*assembles=*/false);
  Fill(&start, 0.8 * kMs, 2 * kMs);
  EXPECT_FALSE(start.AfterPushes());  // Nothing is known of pushes.
  for (int i = 0; i < 16; ++i) start.Pushed(kMs);
  EXPECT_EQ(start.After(), absl::ZeroDuration());
  EXPECT_TRUE(start.AfterPushes());
  start.Pushed(20 * kMs);  // One tells little.
  EXPECT_TRUE(start.AfterPushes());
  for (int i = 0; i < 9; ++i) start.Pushed(1.6 * kMs);
  EXPECT_FALSE(start.AfterPushes());
}

TEST(PullStartTest, FitsTheLongestPullIntoTheShortestBatch) {
  PullStart start(/*assembles=*/false);
  Fill(&start, 3 * kMs, 20 * kMs);
  start.Pulled(7 * kMs);
  start.Computed(15 * kMs);
  EXPECT_EQ(start.After(), 7 * kMs);
  Fill(&start, 3 * kMs, 20 * kMs);
  EXPECT_EQ(start.After(), 16 * kMs);
}

TEST(PullStartTest, LeavesTimeToPutTheValuesTogether) {
  PullStart start(/*assembles=*/true);
  Fill(&start, 3 * kMs, 20 * kMs);
  EXPECT_EQ(start.After(), 13 * kMs);
}

}  // namespace
}  // namespace ebb::client

#include "bench/plane/link_schedule.h"

#include <gtest/gtest.h>

namespace ebb::bench {
namespace {

constexpr int64_t kQueue = 100'000;
// 1000 bytes take 1 us.
constexpr LinkShape kFast = {.bits_per_second = 8'000'000'000};

TEST(LinkScheduleTest, PacketsFollowEachOtherAtTheRate) {
  LinkSchedule link(kQueue, 1);
  EXPECT_EQ(link.Enter(kFast, 10'000, 1000), 11'000);
  EXPECT_EQ(link.Enter(kFast, 10'000, 2000), 13'000);
  EXPECT_EQ(link.Enter(kFast, 12'000, 1000), 14'000);
  // It was idle meanwhile.
  EXPECT_EQ(link.Enter(kFast, 50'000, 1000), 51'000);
}

TEST(LinkScheduleTest, HalfOfTheRoundTripIsAdded) {
  LinkShape shape = kFast;
  shape.round_trip_ns = 1'000'000;
  LinkSchedule link(kQueue, 1);
  EXPECT_EQ(link.Enter(shape, 0, 1000), 501'000);
  // The delay leaves the rate as it is.
  EXPECT_EQ(link.Enter(shape, 0, 1000), 502'000);
}

TEST(LinkScheduleTest, WhatTheQueueHasNoRoomForIsDropped) {
  LinkSchedule link(kQueue, 1);
  for (int i = 1; i <= 100; ++i) {
    EXPECT_EQ(link.Enter(kFast, 0, 1000), i * 1000);
  }
  EXPECT_FALSE(link.Enter(kFast, 0, 1000).has_value());
  EXPECT_EQ(link.Enter(kFast, 1000, 1000), 101'000);
}

TEST(LinkScheduleTest, WithoutARateNothingWaits) {
  LinkSchedule link(kQueue, 1);
  EXPECT_EQ(link.Enter({}, 5, 1'000'000), 5);
  EXPECT_EQ(link.Enter({}, 5, 1'000'000), 5);
}

TEST(LinkScheduleTest, TheShareOfLossIsLost) {
  LinkShape shape = kFast;
  shape.loss = 0.1;
  LinkSchedule link(kQueue, 7);
  int lost = 0;
  for (int64_t i = 0; i < 10'000; ++i) {
    if (!link.Enter(shape, i * 1'000'000, 1000)) ++lost;
  }
  EXPECT_NEAR(lost, 1000, 150);
}

TEST(LinkScheduleTest, AShorterDelayLetsNoPacketOvertake) {
  LinkShape slow = kFast;
  slow.round_trip_ns = 1'000'000;
  LinkSchedule link(kQueue, 1);
  const auto first = link.Enter(slow, 0, 1000);
  EXPECT_GE(link.Enter(kFast, 2000, 1000), first);
}

}  // namespace
}  // namespace ebb::bench

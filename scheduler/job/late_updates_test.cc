#include "scheduler/job/late_updates.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace ebb::scheduler {
namespace {

// So many updates on time, and so many that were scaled to nothing.
ScaledUpdates Updates(int64_t on_time, int64_t to_nothing) {
  ScaledUpdates updates;
  for (int64_t i = 0; i < on_time; ++i) updates.Add(1, 0);
  for (int64_t i = 0; i < to_nothing; ++i) updates.Add(0.001, 999);
  return updates;
}

TEST(LateUpdatesTest, MoreThanOneInAHundredIsTooMany) {
  LateUpdates late;
  EXPECT_FALSE(late.Heard(Updates(990, 10), 1));
  EXPECT_FALSE(late.found());
  EXPECT_TRUE(late.Heard(Updates(989, 11), 1));
  EXPECT_EQ(late.found()->to_nothing, 11);
}

TEST(LateUpdatesTest, JudgesNoFewerThanAThousand) {
  LateUpdates late;
  EXPECT_FALSE(late.Heard(Updates(100, 300), 1));
  EXPECT_FALSE(late.Heard({}, 1));
  EXPECT_TRUE(late.Heard(Updates(600, 0), 1));
}

// Bug: one push that is late is an update of each partition, so that two of
// them were called too many.
TEST(LateUpdatesTest, AThousandPushesAreJudgedHoweverManyPartitions) {
  LateUpdates late;
  EXPECT_FALSE(late.Heard(Updates(15 * 64, 64), 64));
  EXPECT_FALSE(late.Heard(Updates(984 * 64, 0), 64));
  EXPECT_FALSE(late.found());
  EXPECT_TRUE(late.Heard(Updates(980 * 64, 20 * 64), 64));
}

TEST(LateUpdatesTest, WhatWasGoodBeforeDoesNotHideIt) {
  LateUpdates late;
  EXPECT_FALSE(late.Heard(Updates(100'000, 0), 1));
  EXPECT_TRUE(late.Heard(Updates(900, 100), 1));
}

TEST(LateUpdatesTest, IsToldOnceWhileItLasts) {
  LateUpdates late;
  EXPECT_TRUE(late.Heard(Updates(0, 1000), 1));
  EXPECT_FALSE(late.Heard(Updates(900, 100), 1));
  EXPECT_EQ(late.found()->to_nothing, 100);
}

// Bug: one bad minute was shown for as long as the scheduler lived.
TEST(LateUpdatesTest, IsOverWhenTheLatestAreInTime) {
  LateUpdates late;
  EXPECT_TRUE(late.Heard(Updates(0, 1000), 1));
  EXPECT_FALSE(late.Heard(Updates(999, 0), 1));
  EXPECT_TRUE(late.found());
  EXPECT_FALSE(late.Heard(Updates(1, 0), 1));
  EXPECT_FALSE(late.found());
  EXPECT_TRUE(late.Heard(Updates(900, 100), 1));
}

TEST(LateUpdatesTest, TheTextSaysHowManyAndWhatHelps) {
  EXPECT_EQ(LateUpdatesText(Updates(969, 31)),
            "3.1 % of the latest 1000 updates were scaled to nothing, to less "
            "than 0.01 of a step: their gradients came too late. Take fewer "
            "workers (workers.max, or ebb scale), or smaller batches "
            "(train.batch), of which each takes less with it");
}

}  // namespace
}  // namespace ebb::scheduler

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
  EXPECT_FALSE(late.Heard(Updates(990, 10)));
  EXPECT_FALSE(late.found());
  EXPECT_TRUE(late.Heard(Updates(989, 11)));
  EXPECT_EQ(late.found()->to_nothing, 11);
}

TEST(LateUpdatesTest, JudgesNoFewerThanAThousand) {
  LateUpdates late;
  EXPECT_FALSE(late.Heard(Updates(100, 300)));
  EXPECT_FALSE(late.Heard({}));
  EXPECT_TRUE(late.Heard(Updates(600, 0)));
}

TEST(LateUpdatesTest, WhatWasGoodBeforeDoesNotHideIt) {
  LateUpdates late;
  EXPECT_FALSE(late.Heard(Updates(100'000, 0)));
  EXPECT_TRUE(late.Heard(Updates(900, 100)));
}

TEST(LateUpdatesTest, IsToldOnce) {
  LateUpdates late;
  EXPECT_TRUE(late.Heard(Updates(0, 1000)));
  EXPECT_FALSE(late.Heard(Updates(0, 1000)));
  EXPECT_TRUE(late.found());
}

TEST(LateUpdatesTest, TheTextSaysHowManyAndWhatHelps) {
  EXPECT_EQ(LateUpdatesText(Updates(969, 31)),
            "3.1 % of the latest 1000 updates were scaled to nothing, to less "
            "than 0.01 of the rate: their gradients came too late. Take fewer "
            "workers (workers.max, or ebb scale), or smaller batches "
            "(train.batch), of which each takes less with it");
}

}  // namespace
}  // namespace ebb::scheduler

#include "models/gpu/busy_meter.h"

#include "gtest/gtest.h"

namespace ebb::models::gpu {
namespace {

TEST(BusyMeterTest, BusyFromTheFirstCallToTheLastMarkThatIsWaitedFor) {
  BusyMeter meter;
  EXPECT_TRUE(meter.Called(Lane::kCompute));
  EXPECT_FALSE(meter.Called(Lane::kCompute));
  meter.Marked(Lane::kCompute, 1);
  EXPECT_FALSE(meter.Called(Lane::kCompute));
  meter.Marked(Lane::kCompute, 2);
  EXPECT_FALSE(meter.Reached(1)) << "one call is behind it";
  EXPECT_TRUE(meter.Reached(2));
  EXPECT_FALSE(meter.Reached(2)) << "it has come to an end already";
  EXPECT_TRUE(meter.Called(Lane::kCopy));
}

TEST(BusyMeterTest, BothLanesMustHaveComeToAnEnd) {
  BusyMeter meter;
  EXPECT_TRUE(meter.Called(Lane::kCopy));
  meter.Marked(Lane::kCopy, 1);
  EXPECT_FALSE(meter.Called(Lane::kCompute));
  meter.Marked(Lane::kCompute, 2);
  EXPECT_FALSE(meter.Reached(2));
  EXPECT_TRUE(meter.Reached(1));
}

// Of a lane that nobody waited for itself: as long as a gradient was waited for
// in the copying lane alone, a device never came to an end.
TEST(BusyMeterTest, WhatALaneWaitedForIsOverWithIt) {
  BusyMeter meter;
  EXPECT_TRUE(meter.Called(Lane::kCompute));
  meter.Marked(Lane::kCompute, 1);
  meter.Called(Lane::kAhead);
  meter.Awaited(Lane::kAhead, 1);
  meter.Marked(Lane::kAhead, 2);
  meter.Awaited(Lane::kCopy, 2);
  meter.Called(Lane::kCopy);
  meter.Marked(Lane::kCopy, 3);
  EXPECT_TRUE(meter.Reached(3));
  EXPECT_TRUE(meter.Called(Lane::kCompute));
  EXPECT_FALSE(meter.Reached(3)) << "that was called since";
}

TEST(BusyMeterTest, AMarkOfLongAgoEndsNothing) {
  BusyMeter meter;
  meter.Called(Lane::kCompute);
  meter.Marked(Lane::kCompute, 1);
  EXPECT_TRUE(meter.Reached(1));
  EXPECT_TRUE(meter.Called(Lane::kCompute));
  EXPECT_FALSE(meter.Reached(1));
  EXPECT_FALSE(meter.Reached(7)) << "nobody made it";
  meter.Marked(Lane::kCompute, 1);
  EXPECT_TRUE(meter.Reached(1));
}

}  // namespace
}  // namespace ebb::models::gpu

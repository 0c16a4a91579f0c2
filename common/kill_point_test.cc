#include "common/kill_point.h"

#include <csignal>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

constexpr absl::string_view kPoints[] = {"before", "after"};

TEST(KillPointDeathTest, KillsTheNthTimeThePointIsReached) {
  const auto points = KillPoints::Parse("after:3", kPoints);
  ASSERT_TRUE(points.ok());
  points->Reached("before");
  points->Reached("after");
  const KillPoints copy = *points;
  copy.Reached("after");
  EXPECT_EXIT(points->Reached("after"), testing::KilledBySignal(SIGKILL), "");
}

TEST(KillPointDeathTest, WithoutANumberTheFirstTimeCounts) {
  const auto points = KillPoints::Parse("before", kPoints);
  ASSERT_TRUE(points.ok());
  points->Reached("after");
  EXPECT_EXIT(points->Reached("before"), testing::KilledBySignal(SIGKILL), "");
}

TEST(KillPointTest, NothingHappensWhenNoneIsArmed) {
  KillPoints().Reached("before");
  const auto none = KillPoints::Parse("", kPoints);
  ASSERT_TRUE(none.ok());
  none->Reached("before");
}

TEST(KillPointTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(KillPoints::Parse("beside", kPoints).status().message(),
              HasSubstr("there are before, after"));
  for (const char* text : {"before:", "before:0", "before:-1", "before:x"}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(KillPoints::Parse(text, kPoints).status()))
        << text;
  }
}

}  // namespace
}  // namespace ebb

#include "common/rare_telling.h"

#include "gtest/gtest.h"

namespace ebb {
namespace {

TEST(RareTellingTest, TellsAtOnceAndThenEverMoreRarely) {
  RareTelling telling;
  absl::Time now = absl::FromUnixSeconds(1000);
  int told = 0;
  for (int second = 0; second < 24 * 3600; ++second) {
    if (telling.Due(now)) ++told;
    if (second == 0) {
      EXPECT_EQ(told, 1);
    }
    if (second == 9) {
      EXPECT_EQ(told, 1);
    }
    if (second == 10) {
      EXPECT_EQ(told, 2);
    }
    if (second == 30) {
      EXPECT_EQ(told, 3);
    }
    now += absl::Seconds(1);
  }
  // 0, 10, 30, 70, 150, 310, 630, 1270, 2550, 5110, then hourly.
  EXPECT_EQ(told, 10 + (24 * 3600 - 1 - 5110) / 3600);
}

}  // namespace
}  // namespace ebb

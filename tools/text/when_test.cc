#include "tools/text/when.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::Eq;
using ::testing::Optional;

class WhenTest : public ::testing::Test {
 protected:
  std::optional<absl::Time> Parse(absl::string_view text) const {
    return ParseWhen(text, now_, zone_);
  }
  absl::Time At(int day, int hour, int minute, int second = 0) const {
    return absl::FromCivil(
        absl::CivilSecond(2026, 3, day, hour, minute, second), zone_);
  }

  const absl::TimeZone zone_ = absl::FixedTimeZone(2 * 3600);
  const absl::Time now_ = At(5, 12, 30);
};

TEST_F(WhenTest, ReadsHowLongAgo) {
  EXPECT_THAT(Parse("90s"), Optional(Eq(now_ - absl::Seconds(90))));
  EXPECT_THAT(Parse("1h5m"), Optional(Eq(now_ - absl::Minutes(65))));
  EXPECT_THAT(Parse("-5m"), Eq(std::nullopt));
  EXPECT_THAT(Parse("inf"), Eq(std::nullopt));
}

TEST_F(WhenTest, AnHourIsTheLatestThatIsPast) {
  EXPECT_THAT(Parse("12:03"), Optional(Eq(At(5, 12, 3))));
  EXPECT_THAT(Parse("12:03:20"), Optional(Eq(At(5, 12, 3, 20))));
  EXPECT_THAT(Parse("12:30"), Optional(Eq(now_)));
  EXPECT_THAT(Parse("12:31"), Optional(Eq(At(4, 12, 31))));
}

TEST_F(WhenTest, ReadsDates) {
  EXPECT_THAT(Parse("2026-03-01 07:00"), Optional(Eq(At(1, 7, 0))));
  EXPECT_THAT(Parse("2026-03-01T07:00:59"), Optional(Eq(At(1, 7, 0, 59))));
  EXPECT_THAT(Parse("2026-03-01T05:00:00Z"), Optional(Eq(At(1, 7, 0))));
}

TEST_F(WhenTest, RefusesTheRest) {
  for (const char* text : {"", "yesterday", "25:00", "5", "2026-13-01 00:00"}) {
    EXPECT_THAT(Parse(text), Eq(std::nullopt)) << text;
  }
}

}  // namespace
}  // namespace ebb::tools

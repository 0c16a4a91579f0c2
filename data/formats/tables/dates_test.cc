#include "data/formats/tables/dates.h"

#include <optional>

#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

constexpr double kDay = 18690;  // 2021-03-04, a Thursday.

std::optional<double> Days(absl::string_view text,
                           DateOrder order = DateOrder::kYearFirst) {
  const auto moment = ParseMoment(text, order);
  if (!moment.has_value()) return std::nullopt;
  return moment->days;
}

TEST(DatesTest, ReadsTheUsualForms) {
  for (const char* text :
       {"2021-03-04", "2021/3/4", "2021.03.04", "20210304", "04.03.2021",
        "2021-03-04T00:00", "2021-03-04 00:00:00Z", "2021-03-04T01:00+01:00",
        "1614816000", "1614816000000", "2021-03-04 12:00 AM"}) {
    EXPECT_EQ(Days(text), kDay) << text;
  }
  EXPECT_EQ(Days("2021-03-04 18:00:00.0"), kDay + 0.75);
  EXPECT_EQ(Days("2021-03-04 6:00 PM"), kDay + 0.75);
  EXPECT_EQ(Days("2021-03"), kDay - 3);
  EXPECT_EQ(Days("06:00"), 0.25);
  EXPECT_EQ(Days("1969-12-31"), -1);
}

TEST(DatesTest, TheOrderSaysWhichNumberIsTheDay) {
  EXPECT_EQ(Days("04/03/2021", DateOrder::kDayFirst), kDay);
  EXPECT_EQ(Days("3-4-2021", DateOrder::kMonthFirst), kDay);
  EXPECT_EQ(Days("04/03/2021"), std::nullopt);
  EXPECT_EQ(Days("13/03/2021", DateOrder::kMonthFirst), std::nullopt);
}

TEST(DatesTest, KnowsTheParts) {
  const auto moment = ParseMoment("2021-03-04 15:30", DateOrder::kYearFirst);
  ASSERT_TRUE(moment.has_value());
  EXPECT_EQ(moment->year, 2021);
  EXPECT_EQ(moment->month, 3);
  EXPECT_EQ(moment->day, 4);
  EXPECT_EQ(moment->weekday, 3);
  EXPECT_DOUBLE_EQ(moment->hour, 15.5);
}

TEST(DatesTest, RefusesWhatIsNoDate) {
  for (const char* text :
       {"", "x", "2021", "2021-13-01", "2021-02-29", "2021-03-04x",
        "2021-03-04 25:00", "2021-03-04 12:00 XX", "1.5", "99999999999999",
        "04.03.21", "2021-03-04T", "0000-01-01"}) {
    EXPECT_EQ(Days(text, DateOrder::kDayFirst), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ebb::data::internal

#include "tools/text/traffic.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

v1::Traffic Of(int64_t pushed, int64_t pushed_as_floats, int64_t pulled,
               int64_t pulled_as_floats) {
  v1::Traffic traffic;
  traffic.set_pushed(pushed);
  traffic.set_pushed_as_floats(pushed_as_floats);
  traffic.set_pulled(pulled);
  traffic.set_pulled_as_floats(pulled_as_floats);
  return traffic;
}

TEST(TrafficTest, SaysHowMuchLessTravelled) {
  EXPECT_EQ(TrafficText(Of(25'000'000, 100'000'000, 80'000'000, 80'000'000)),
            "pushed 25.0 MB, 4.00 times less than as float32; pulled 80.0 MB");
  EXPECT_EQ(TrafficText({}), "");
}

TEST(TrafficTest, KnowsWhetherThereWasAFilter) {
  EXPECT_FALSE(Filtered(Of(8, 8, 9, 9)));
  EXPECT_TRUE(Filtered(Of(4, 8, 9, 9)));
  EXPECT_TRUE(Filtered(Of(8, 8, 3, 9)));
}

TEST(TrafficTest, JsonHasTheBytesAndWhatTheyWouldHaveBeen) {
  EXPECT_EQ(TrafficJson(Of(1, 2, 3, 4)).ToLine(),
            "{\"pushed_bytes\": 1, \"pushed_bytes_as_float32\": 2, "
            "\"pulled_bytes\": 3, \"pulled_bytes_as_float32\": 4}");
}

}  // namespace
}  // namespace ebb::tools

#include "sweep/space.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::sweep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Dimension List(std::string key, std::vector<std::string> values) {
  Dimension dimension;
  dimension.key = std::move(key);
  dimension.values = std::move(values);
  return dimension;
}

Dimension Range(Dimension::Kind kind, double low, double high, bool log) {
  Dimension dimension;
  dimension.key = "x";
  dimension.kind = kind;
  dimension.low = low;
  dimension.high = high;
  dimension.log = log;
  return dimension;
}

TEST(SpaceTest, NumbersOfARangeHaveFourDigitsAndStayWithinIt) {
  const Dimension rate = Range(Dimension::Kind::kRange, 0.001, 0.1, true);
  EXPECT_EQ(ValueAt(rate, 0), "0.001");
  EXPECT_EQ(ValueAt(rate, 0.5), "0.01");
  EXPECT_EQ(ValueAt(rate, 1), "0.1");
  EXPECT_EQ(ValueAt(rate, 0.3), "0.003981");
  EXPECT_NEAR(*PlaceOf(rate, "0.01"), 0.5, 1e-9);
}

TEST(SpaceTest, EndsOfAnIntegerRangeAreAsLikelyAsOthers) {
  const Dimension size = Range(Dimension::Kind::kInteger, 1, 4, false);
  EXPECT_EQ(ValueAt(size, 0.24), "1");
  EXPECT_EQ(ValueAt(size, 0.26), "2");
  EXPECT_EQ(ValueAt(size, 0.74), "3");
  EXPECT_EQ(ValueAt(size, 0.76), "4");
  EXPECT_EQ(ValueAt(size, 1), "4");
}

TEST(SpaceTest, GridOfARangeTakesSteps) {
  Dimension rate = Range(Dimension::Kind::kRange, 0.01, 1, true);
  EXPECT_THAT(GridValues(rate), IsEmpty());
  rate.steps = 3;
  EXPECT_THAT(GridValues(rate), ElementsAre("0.01", "0.1", "1"));
  EXPECT_THAT(GridValues(Range(Dimension::Kind::kInteger, 2, 5, false)),
              ElementsAre("2", "3", "4", "5"));
}

TEST(SpaceTest, AConditionLeavesAKeyOut) {
  Dimension momentum = List("momentum", {"0", "0.9"});
  momentum.when = {"kind", {"sgd"}};
  const Space space = {List("kind", {"adam", "sgd"}), momentum};
  const std::vector<Choices> points = GridPoints(space);
  ASSERT_THAT(points, SizeIs(3));
  EXPECT_EQ(points[0], (Choices{{"kind", "adam"}}));
  EXPECT_EQ(points[2], (Choices{{"kind", "sgd"}, {"momentum", "0.9"}}));
  EXPECT_EQ(CountPoints(space), 3);
}

TEST(SpaceTest, ARangeHasMorePointsThanASweepHasTrials) {
  EXPECT_EQ(CountPoints({Range(Dimension::Kind::kRange, 0, 1, false)}),
            kMostTrials + 1);
  EXPECT_EQ(CountPoints({Range(Dimension::Kind::kRange, 1, 1, false)}), 1);
}

}  // namespace
}  // namespace ebb::sweep

#include "tools/chaos/market.h"

#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

MarketFigures FiguresIn(absl::string_view text) {
  const auto trace = ReadTrace(text, "t.csv");
  EXPECT_TRUE(trace.ok()) << trace.status();
  return trace.ok() ? FiguresOf(*trace) : MarketFigures{};
}

TEST(FiguresOfTest, TheHazardIsLossesOverTheHoursOfAllNodes) {
  // Two nodes for an hour, then one for another: three node-hours.
  const MarketFigures figures = FiguresIn(
      "t_s,op,node\n0,add,a\n0,add,b\n3600,remove,a\n7200,remove,b\n");

  EXPECT_EQ(figures.losses, 2);
  EXPECT_DOUBLE_EQ(figures.node_hours, 3);
  EXPECT_DOUBLE_EQ(figures.losses_per_node_hour, 2.0 / 3);
}

TEST(FiguresOfTest, ABulkIsWhatIsTakenAtOneInstant) {
  const MarketFigures figures = FiguresIn(
      "t_s,op,node\n0,add,a\n0,add,b\n0,add,c\n0,add,d\n"
      "10,remove,a\n10,remove,b\n10,remove,c\n20,remove,d\n");

  EXPECT_DOUBLE_EQ(figures.bulk, 2);  // Three, then one.
}

TEST(FiguresOfTest, AReplacementHasAnyNameAndTheLongestLostGetsItFirst) {
  const MarketFigures figures = FiguresIn(
      "t_s,op,node\n0,add,a\n0,add,b\n10,remove,a\n20,remove,b\n"
      "40,add,x\n60,add,b\n");

  EXPECT_EQ(figures.replaced_after, absl::Seconds(35));  // 30 s and 40 s.
}

TEST(FiguresOfTest, NodesThatWereNotReplacedWaitedAtLeastToTheEnd) {
  const MarketFigures figures = FiguresIn(
      "t_s,op,node\n0,add,a\n0,add,b\n0,add,c\n10,remove,a\n20,remove,b\n"
      "30,add,d\n90,remove,d\n100,remove,c\n");

  // 20 s, then 80 s, 10 s and nothing, that one replacement took.
  EXPECT_EQ(figures.replaced_after, absl::Seconds(110));
}

TEST(FiguresOfTest, NodesThatGrowInNumberReplaceNobody) {
  const MarketFigures figures =
      FiguresIn("t_s,op,node\n0,add,a\n5,add,b\n10,add,c\n");

  EXPECT_EQ(figures.losses_per_node_hour, 0);
  EXPECT_EQ(figures.bulk, 1);
  EXPECT_EQ(figures.replaced_after, absl::InfiniteDuration());
}

TEST(FiguresOfTest, ATraceOfOneInstantHasNoHazard) {
  const MarketFigures figures = FiguresIn("t_s,op,node\n0,add,a\n0,remove,a\n");

  EXPECT_EQ(figures.losses, 1);
  EXPECT_EQ(figures.losses_per_node_hour, 0);
}

TEST(FiguresOfTest, AMarketIsFoundAgainInATraceThatItMade) {
  Market market;
  market.nodes = 200;
  market.losses_per_node_hour = 0.5;
  market.bulk = 3;
  market.replaced_after = absl::Minutes(20);
  market.duration = absl::Hours(48);

  const MarketFigures figures = FiguresIn(MakeTrace(market));

  EXPECT_GT(figures.losses, 3000);
  EXPECT_NEAR(figures.losses_per_node_hour, 0.5, 0.02);
  EXPECT_NEAR(figures.bulk, 3, 0.01);
  EXPECT_NEAR(absl::ToDoubleMinutes(figures.replaced_after), 20, 1);
}

TEST(SharedTraceTest, TheP3MarketLosesAMachineInAboutAnHourAndAHalf) {
  std::ifstream file("../shared/data/spot/bamboo-p3.csv");
  ASSERT_TRUE(file.good());
  const MarketFigures figures =
      FiguresIn(std::string(std::istreambuf_iterator<char>(file), {}));

  EXPECT_EQ(figures.losses, 167);
  EXPECT_NEAR(figures.losses_per_node_hour, 0.611, 0.001);
  EXPECT_NEAR(figures.bulk, 2.114, 0.001);
  EXPECT_NEAR(absl::ToDoubleMinutes(figures.replaced_after), 36.7, 0.1);
}

}  // namespace
}  // namespace ebb::chaos

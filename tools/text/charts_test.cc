#include "tools/text/charts.h"

#include <cstddef>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/text/page.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ChartTest, OfOnePointAndOfNone) {
  EXPECT_EQ(Chart("t", {{"a", {}}}, {}), "");
  EXPECT_THAT(Chart("t", {{"a", {{0, 5}}}}, {}),
              AllOf(HasSubstr("<polyline"), Not(HasSubstr("nan")),
                    Not(HasSubstr("inf"))));
}

// Bug: three charts stood side by side, and their texts were 6 pixels high.
TEST(ChartTest, TextsAreLargeEnoughInAColumnOfAPage) {
  const auto number_after = [](const std::string& style,
                               const std::string& front) {
    const size_t at = style.find(front);
    EXPECT_NE(at, std::string::npos) << front;
    return std::stod(style.substr(at + front.size()));
  };
  const double column =
      number_after(HtmlPage("", "", "", ""), "minmax(min(100%, ");
  const double font = number_after(kChartStyle, "svg text { font: ");
  constexpr double kPadding = 2 * 16;
  EXPECT_GE(font * (column - kPadding) / kChartWidth, 10);
}

TEST(ChartTest, NamesInPlaceOfNumbers) {
  ChartOptions options;
  options.x_names = {"4 KiB", "64 KiB", "beyond"};
  const std::string svg = Chart("t", {{"a", {{0, 5}, {1, 7}}}}, options);
  EXPECT_THAT(svg, AllOf(HasSubstr(">4 KiB<"), HasSubstr(">64 KiB<"),
                         Not(HasSubstr("beyond"))));
}

TEST(BarChartTest, ABarForEachValueThatIsThere) {
  const std::string svg =
      BarChart("a<b", {{"x", {4.0, std::nullopt}}, {"y", {2.0, 1.0}}},
               {.series = {"ours", "theirs"}, .line = 3});
  size_t bars = 0;
  for (size_t at = svg.find("<rect"); at != std::string::npos;
       at = svg.find("<rect", at + 1)) {
    ++bars;
  }
  EXPECT_EQ(bars, 3u);
  EXPECT_THAT(
      svg, AllOf(HasSubstr("<title>a&lt;b</title>"), HasSubstr(">x<"),
                 HasSubstr(">y<"), HasSubstr(">ours<"), HasSubstr(">theirs<"),
                 HasSubstr("class=\"m\""), Not(HasSubstr("nan"))));
}

// 220 high, of which 182 are the chart's: at 1.18 of the greatest bar.
TEST(BarChartTest, BarsStandOnTheAxisAndAreAsHighAsTheirValues) {
  const std::string svg = BarChart("t", {{"x", {2.0}}, {"y", {1.0}}}, {});
  EXPECT_THAT(
      svg, AllOf(HasSubstr("y=\"39.8\" width"), HasSubstr("height=\"154.2\""),
                 HasSubstr("y=\"116.9\" width"), HasSubstr("height=\"77.1\"")));
}

TEST(BarChartTest, NoneOfNothing) {
  EXPECT_EQ(BarChart("t", {}, {}), "");
  EXPECT_EQ(BarChart("t", {{"x", {std::nullopt}}}, {}), "");
}

TEST(HistogramTest, EndsWithTheLastCount) {
  const std::string svg = Histogram({3, 0, 1200, 0}, "updates");
  EXPECT_THAT(svg, AllOf(HasSubstr("<title>2: 1,200 updates</title>"),
                         Not(HasSubstr("<title>3: "))));
}

TEST(SvgFileTest, HasANamespaceAndItsOwnColors) {
  EXPECT_THAT(SvgFile(BarChart("t", {{"x", {1.0}}}, {})),
              AllOf(StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""),
                    HasSubstr("--c0: "), HasSubstr("viewBox=\"0 0 460 220\""),
                    HasSubstr("</svg>\n")));
}

}  // namespace
}  // namespace ebb::tools

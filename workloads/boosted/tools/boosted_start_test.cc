#include "workloads/boosted/tools/boosted_start.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<float> Edges(std::vector<float> values, int64_t zeros,
                         int64_t most) {
  return EdgesOf(values, zeros, most);
}

TEST(BoostedStartTest, FewValuesHaveAnIntervalEach) {
  EXPECT_THAT(Edges({3, 1, 1, 7, 3}, 0, 4), ElementsAre(2, 5));
  EXPECT_THAT(Edges({5, 5, 5}, 0, 4), IsEmpty());
  EXPECT_THAT(Edges({}, 0, 4), IsEmpty());
  EXPECT_THAT(Edges({2, NAN, 4, NAN}, 0, 4), ElementsAre(3));
}

TEST(BoostedStartTest, ZerosOfSparseRowsCount) {
  EXPECT_THAT(Edges({1, 1}, 5, 4), ElementsAre(0.5));
  EXPECT_THAT(Edges({-2, 1}, 5, 4), ElementsAre(-1, 0.5));
}

TEST(BoostedStartTest, ManyValuesAreDividedEvenly) {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.push_back(static_cast<float>(i));
  EXPECT_THAT(Edges(values, 0, 4), ElementsAre(24.5, 49.5, 74.5));
  // A frequent value takes one of them, and the others share the rest.
  values.insert(values.end(), 900, 0.0f);
  EXPECT_THAT(Edges(values, 0, 4), ElementsAre(0.5, 33.5, 66.5));
}

TEST(BoostedStartTest, AnEdgeTellsNeighboursApart) {
  const float low = 1, high = std::nextafter(low, 2.0f);
  EXPECT_THAT(Edges({low, high}, 0, 4), ElementsAre(low));
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(Edges({-infinity, infinity}, 0, 4),
              ElementsAre(std::numeric_limits<float>::lowest()));
}

TEST(BoostedStartTest, BeginsWithRootsThatAreOpen) {
  const BoostedShape shape = {
      .features = 2, .outputs = 1, .trees = 1, .depth = 1, .bins = 2};
  const std::vector<float> values =
      BoostedInitialValues(shape, {.bins = 2, .edges = {5, 6}, .base = {0.5}});
  ASSERT_EQ(std::ssize(values), shape.Parameters());
  EXPECT_THAT(std::span(values).first(shape.HistogramsAt()),
              ElementsAre(0.5, 5, 6,                                       //
                          -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0,  //
                          0, 1, 0));
}

}  // namespace
}  // namespace ebb::tools

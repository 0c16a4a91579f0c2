#include "workloads/boosted/base/boosted_shape.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(BoostedShapeTest, TablesFollowEachOther) {
  const BoostedShape shape = {
      .features = 3, .outputs = 2, .trees = 5, .depth = 2, .bins = 4};
  ASSERT_TRUE(shape.Validate().ok());
  EXPECT_EQ(shape.Leaves(), 4);
  EXPECT_EQ(shape.Nodes(), 7);
  EXPECT_EQ(shape.Slots(), 4);  // The second level of both trees.
  EXPECT_EQ(shape.EdgesAt(), 2);
  EXPECT_EQ(shape.NodesAt(), 2 + 3 * 3);
  EXPECT_EQ(shape.OpenAt(), 11 + 5 * 2 * 7 * 5);
  EXPECT_EQ(shape.HistogramsAt(), 361 + 2 + 4);
  EXPECT_EQ(shape.Parameters(), 367 + 4 * 3 * 5 * 3);
  EXPECT_THAT(shape.FirstOpenNodes(), ElementsAre(0, 7));
}

TEST(BoostedShapeTest, ValidationHasATableAndARoundOfItsOwn) {
  BoostedShape shape = {
      .features = 3, .outputs = 2, .trees = 5, .depth = 2, .bins = 4};
  EXPECT_EQ(shape.Rounds(), 10);
  shape.validates = true;
  EXPECT_EQ(shape.Rounds(), 11);
  EXPECT_EQ(shape.ValidationAt(), 367);
  EXPECT_EQ(shape.HistogramsAt(), 369);
  EXPECT_EQ(shape.Parameters(), 369 + 4 * 3 * 5 * 3);
}

TEST(BoostedShapeTest, ExamplesAreKeptBackByTheirNumber) {
  int64_t kept_back = 0;
  int64_t by_others = 0;
  for (int64_t i = 0; i < 10'000; ++i) {
    const bool is = IsKeptBack(7, 0.1, i);
    kept_back += is ? 1 : 0;
    by_others += is && IsKeptBack(8, 0.1, i) ? 1 : 0;
    // A larger share has all that a smaller one has.
    EXPECT_TRUE(!is || IsKeptBack(7, 0.2, i));
  }
  EXPECT_NEAR(kept_back, 1000, 100);
  EXPECT_NEAR(by_others, 100, 40);
}

TEST(BoostedShapeTest, ARoundIsALevelWhereItsHistogramsFit) {
  BoostedShape shape = {.features = 28, .trees = 10, .depth = 6, .bins = 255};
  EXPECT_EQ(shape.Slots(), 32);
  EXPECT_EQ(shape.Rounds(), 60);
  // Half of the last level fits.
  shape.features = 60;
  EXPECT_EQ(shape.Slots(), 22);
  EXPECT_EQ(shape.Rounds(), 70);
}

TEST(BoostedShapeTest, LeafByLeafARoundIsASplit) {
  const BoostedShape shape = {
      .features = 4, .trees = 2, .depth = 0, .leaves = 31, .bins = 16};
  EXPECT_EQ(shape.Nodes(), 61);
  EXPECT_EQ(shape.Slots(), 2);
  EXPECT_EQ(shape.Rounds(), 60);
}

TEST(BoostedShapeTest, RefusesTablesThatAreTooLarge) {
  const auto said = [](const BoostedShape& shape) {
    return std::string(shape.Validate().message());
  };
  EXPECT_THAT(said({.depth = 20}), HasSubstr("model.depth: "));
  EXPECT_EQ(said({.depth = 20, .leaves = 31}), "");
  EXPECT_THAT(said({.trees = 100'000'000}), HasSubstr("model.trees: "));
  EXPECT_THAT(said({.features = 1'000'000, .bins = 255}),
              HasSubstr("model.bins: "));
  EXPECT_THAT(said({.bins = 256}), HasSubstr("256 is not from 2 to 255"));
}

TEST(BoostedShapeTest, ManyFeaturesHaveFewerIntervals) {
  EXPECT_EQ(DefaultBoostedBins(28), 255);
  EXPECT_EQ(DefaultBoostedBins(784), 54);
  EXPECT_EQ(DefaultBoostedBins(100'000), 15);
}

}  // namespace
}  // namespace ebb

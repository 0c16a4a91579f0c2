#include "workloads/boosted/tools/boosted_figures.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

class BoostedGainsTest : public ::testing::Test {
 protected:
  BoostedGainsTest() {
    shape_.features = 3;
    shape_.trees = 3;
    shape_.depth = 2;
    shape_.bins = 4;
    parameters_.assign(shape_.Parameters(), 0);
    for (int64_t at = shape_.NodesAt(); at < shape_.OpenAt(); ++at) {
      parameters_[at] = -1;  // They begin so.
    }
    parameters_[shape_.OpenAt()] = 2;  // Complete trees.
  }

  void Split(int64_t tree, int64_t node, float feature, float gain) {
    const int64_t at = shape_.NodesAt() + tree * shape_.TreeFloats() +
                       node * BoostedNodeColumns::kCount;
    parameters_[at + BoostedNodeColumns::kFeature] = feature;
    parameters_[at + BoostedNodeColumns::kValue] = gain;
  }

  BoostedShape shape_;
  std::vector<float> parameters_;
};

TEST_F(BoostedGainsTest, AFeatureHasItsShareOfTheGainsOfCompleteTrees) {
  Split(0, 0, 2, 5);
  Split(0, 1, 0, 1);
  Split(1, 0, 2, 2);
  Split(2, 0, 1, 100);  // The model does not predict by it.
  const BoostedGains gains = GainsOf(shape_, parameters_);
  EXPECT_EQ(gains.trees, 2);
  EXPECT_EQ(gains.splits, 3);
  EXPECT_TRUE(gains.any_split);
  EXPECT_THAT(gains.shares, ElementsAre(0.125, 0, 0.875));
}

TEST_F(BoostedGainsTest, TreesWithoutASplitSayNothing) {
  EXPECT_FALSE(GainsOf(shape_, parameters_).any_split);
  Split(2, 0, 1, 100);
  const BoostedGains gains = GainsOf(shape_, parameters_);
  EXPECT_TRUE(gains.any_split);
  EXPECT_EQ(gains.splits, 0);
  EXPECT_THAT(gains.shares, ElementsAre(0, 0, 0));
}

TEST_F(BoostedGainsTest, EachOfThreeClassesHasTreesOfItsOwn) {
  shape_.outputs = 3;
  parameters_.assign(shape_.Parameters(), -1);
  parameters_[shape_.OpenAt()] = 1;
  Split(2, 0, 1, 4);
  Split(3, 0, 0, 4);  // The first class has it in its second tree.
  const BoostedGains gains = GainsOf(shape_, parameters_);
  EXPECT_EQ(gains.trees, 3);
  EXPECT_THAT(gains.shares, ElementsAre(0, 1, 0));
}

TEST(BoostedFiguresTest, ReportsTellOfTreesAndFeatures) {
  const ModelFigures figures = ToFigures(
      {20, 140, true, {{"petal <cm>", 0.75, {}}, {"width", 0.25, {}}}});
  EXPECT_THAT(figures.lines,
              ElementsAre(Pair("importance", "petal <cm> 75.0 %, width 25.0 %"),
                          Pair("trees", "20, 140 splits")));
  EXPECT_THAT(figures.counts,
              ElementsAre(Pair(20, "trees"), Pair(140, "splits")));
  EXPECT_EQ(figures.key, "boosted");
  EXPECT_THAT(figures.json.ToLine(),
              StartsWith("{\"trees\": 20, \"splits\": 140, "
                         "\"importances\": [{\"feature\": \"petal <cm>\", "
                         "\"share\": 0.75, \"permutation\": null}"));
  EXPECT_THAT(figures.warnings, IsEmpty());
  EXPECT_THAT(ToFigures({20, 0, false, {}}).warnings,
              ElementsAre(HasSubstr("no tree has a split")));
}

// Bug: it was said to be due to model.leaf_examples.
TEST(BoostedFiguresTest, NamesThePatienceThatKeptNoTree) {
  EXPECT_THAT(ToFigures({0, 0, false, {}, true}).warnings,
              ElementsAre(HasSubstr("no tree is kept, so all predictions are "
                                    "the same: model.patience")));
  EXPECT_THAT(ToFigures({1, 0, false, {}, true}).warnings,
              ElementsAre(HasSubstr("no tree has a split")));
  EXPECT_THAT(ToFigures({0, 0, false, {}, false}).warnings,
              ElementsAre(HasSubstr("no tree has a split")));
}

}  // namespace
}  // namespace ebb::tools

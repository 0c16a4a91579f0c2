#include "tools/ebb/report/boosted_figures.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;

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

}  // namespace
}  // namespace ebb::tools

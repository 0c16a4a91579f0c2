#include "common/filters/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace ebb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

struct Parts {
  std::vector<float> waiting;
  std::vector<float> sent;
};

Parts Divide(const Filter& filter, std::vector<float> values) {
  Parts parts{std::move(values), {}};
  parts.sent.assign(parts.waiting.size(), 99);
  Select(filter, parts.waiting, parts.sent);
  return parts;
}

TEST(SelectTest, ThresholdSendsWhatIsLarger) {
  const Parts parts = Divide({.kind = FilterKind::kThreshold, .threshold = 0.5},
                             {0.5, -0.6, 0, 2});
  EXPECT_THAT(parts.sent, ElementsAre(0, -0.6f, 0, 2));
  EXPECT_THAT(parts.waiting, ElementsAre(0.5f, 0, 0, 0));
}

TEST(SelectTest, ThresholdOfNothingSendsAllThatChanged) {
  const Parts parts = Divide({.kind = FilterKind::kThreshold}, {0, 1e-40f, -3});
  EXPECT_THAT(parts.sent, ElementsAre(0, 1e-40f, -3));
  EXPECT_THAT(parts.waiting, Each(0));
}

TEST(SelectTest, TopKSendsTheLargestWhateverTheirSign) {
  const Parts parts =
      Divide({.kind = FilterKind::kTopK, .share = 0.4}, {1, -5, 2, 4, -3});
  EXPECT_THAT(parts.sent, ElementsAre(0, -5, 0, 4, 0));
  EXPECT_THAT(parts.waiting, ElementsAre(1, 0, 2, 0, -3));
}

TEST(SelectTest, TopKSendsSoManyThoughAllAreEqual) {
  const Parts parts =
      Divide({.kind = FilterKind::kTopK, .share = 0.5}, {2, -2, 2, 2});
  EXPECT_THAT(parts.sent, ElementsAre(2, -2, 0, 0));
}

TEST(SelectTest, TopKSendsAtLeastOneAndTheShareIsRoundedUp) {
  const Filter filter{.kind = FilterKind::kTopK, .share = 0.01};
  EXPECT_THAT(Divide(filter, {3, 4}).sent, ElementsAre(0, 4));
  std::vector<float> values(101);
  for (size_t i = 0; i < values.size(); ++i) values[i] = 1.0f + i;
  const Parts parts = Divide(filter, values);
  EXPECT_EQ(parts.sent[100], 101);
  EXPECT_EQ(parts.sent[99], 100);
  EXPECT_EQ(parts.sent[98], 0);
}

TEST(SelectTest, NothingIsDividedIntoNothing) {
  EXPECT_TRUE(
      Divide({.kind = FilterKind::kTopK, .share = 0.5}, {}).sent.empty());
}

TEST(SelectTest, WhatIsSentAndWhatWaitsAreTheWholeToTheBit) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(5000);
  for (float& value : values) value = normal(random);
  for (const Filter& filter :
       {Filter{.kind = FilterKind::kTopK, .share = 0.1},
        Filter{.kind = FilterKind::kThreshold, .threshold = 1}}) {
    const Parts parts = Divide(filter, values);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(parts.sent[i] + parts.waiting[i], values[i]);
    }
  }
}

}  // namespace
}  // namespace ebb

#include "client/gradient_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "common/filters/codec.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// Items of 12 examples in batches of 2; partition 0 has 4 parameters, and 1
// has 3.
class GradientFilterTest : public ::testing::Test {
 protected:
  void Use(const Filter& push) {
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(7);
    JobPlan& plan = record->plan;
    plan.examples = 24;
    plan.shard_size = 12;
    plan.batch_by_epoch = {2};
    plan.block_floats = 4;
    plan.parameters = 7;
    plan.partitions = 2;
    plan.filters.push = push;
    record_ = record;
  }
  void UseTopK(double share) {
    Use({.kind = FilterKind::kTopK, .share = share});
  }

  // The batch that begins there; due to both partitions unless it is said.
  ComputeResult Batch(int64_t begin, std::vector<float> gradient,
                      std::vector<bool> due = {true, true}, int shard = 0) {
    ComputeResult result;
    result.gradient = Payload::Of(std::move(gradient));
    filter_.Apply({record_,
                   Generation(1),
                   {0, shard},
                   begin,
                   begin + 2,
                   nullptr,
                   std::move(due)},
                  &result);
    return result;
  }
  static std::vector<float> Sent(const ComputeResult& result, int p) {
    std::vector<float> values(p == 0 ? 4 : 3);
    const FilteredGradient& filtered = *result.filtered[p];
    EXPECT_TRUE(CheckEncoded(filtered.encoding, filtered.bytes,
                             static_cast<int64_t>(values.size()))
                    .ok());
    Decode(filtered.encoding, filtered.bytes, values);
    return values;
  }

  JobRecordPtr record_;
  GradientFilter filter_{2};
};

TEST_F(GradientFilterTest, WithoutAFilterTheGradientIsPushed) {
  Use({});
  EXPECT_TRUE(Batch(0, std::vector<float>(7, 1)).filtered.empty());
}

TEST_F(GradientFilterTest, WhatTouchesNoTableIsNotFiltered) {
  Use({.kind = FilterKind::kInt8});
  EXPECT_TRUE(Batch(0, {}).filtered.empty());
}

TEST_F(GradientFilterTest, EncodesEachPartitionByItself) {
  Use({.kind = FilterKind::kFloat16});
  const ComputeResult result = Batch(0, {1, 2, 3, 4, 5, 6, 7});
  ASSERT_THAT(result.filtered, SizeIs(2));
  EXPECT_EQ(result.filtered[0]->encoding, Encoding::kFloat16);
  EXPECT_THAT(Sent(result, 0), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Sent(result, 1), ElementsAre(5, 6, 7));
  EXPECT_FALSE(result.leaves);
}

TEST_F(GradientFilterTest, TheSameBatchIsRoundedInTheSameWay) {
  Use({.kind = FilterKind::kInt8});
  const std::vector<float> gradient = {127, 0.5, 0.5, 0.5, 127, 0.5, 0.5};
  const auto first = Sent(Batch(0, gradient), 0);
  EXPECT_EQ(Sent(Batch(0, gradient), 0), first);
  bool differs = false;
  for (int64_t begin = 2; begin < 12; begin += 2) {
    differs = differs || Sent(Batch(begin, gradient), 0) != first;
  }
  EXPECT_TRUE(differs);
}

TEST_F(GradientFilterTest, WhatIsNotSentIsAddedToTheNextBatch) {
  UseTopK(0.25);
  ComputeResult result = Batch(0, {4, 3, 0, 0, 0, 0, 9});
  EXPECT_THAT(Sent(result, 0), ElementsAre(4, 0, 0, 0));
  EXPECT_THAT(Sent(result, 1), ElementsAre(0, 0, 9));
  EXPECT_TRUE(result.leaves);
  result = Batch(2, {4, 3, 0, 0, 0, 0, 0});
  EXPECT_THAT(Sent(result, 0), ElementsAre(0, 6, 0, 0));
  result = Batch(4, {0, 0, 0, 0, 0, 0, 0});
  EXPECT_THAT(Sent(result, 0), ElementsAre(4, 0, 0, 0));
}

TEST_F(GradientFilterTest, TheLastBatchOfAnItemSendsAllThatWaits) {
  UseTopK(0.25);
  std::vector<float> sum(7);
  for (int64_t begin = 0; begin < 12; begin += 2) {
    const ComputeResult result = Batch(begin, {1, 2, 3, 4, 5, 6, 7});
    EXPECT_EQ(result.leaves, begin < 10);
    for (int p = 0; p < 2; ++p) {
      const auto sent = Sent(result, p);
      for (size_t i = 0; i < sent.size(); ++i) sum[4 * p + i] += sent[i];
    }
  }
  EXPECT_THAT(sum, ElementsAre(6, 12, 18, 24, 30, 36, 42));
}

TEST_F(GradientFilterTest, ItemsHaveTheirOwn) {
  UseTopK(0.25);
  Batch(0, {4, 3, 0, 0, 0, 0, 0}, {true, true}, 0);
  EXPECT_THAT(Sent(Batch(2, {1, 0, 0, 0, 0, 0, 0}, {true, true}, 1), 0),
              ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(Sent(Batch(2, {1, 0, 0, 0, 0, 0, 0}, {true, true}, 0), 0),
              ElementsAre(0, 3, 0, 0));
}

TEST_F(GradientFilterTest, APartitionThatStepsBackGoesOnWithWhatWasLeftThere) {
  UseTopK(0.25);
  Batch(0, {4, 3, 2, 0, 0, 0, 0});
  Batch(2, {0, 0, 0, 0, 0, 0, 0});  // Sends 3.
  Batch(4, {0, 0, 0, 0, 0, 0, 0});  // Sends 2.
  // The second push was lost; partition 1 has it.
  ComputeResult result = Batch(2, {0, 0, 0, 5, 9, 9, 9}, {true, false});
  EXPECT_THAT(Sent(result, 0), ElementsAre(0, 0, 0, 5));
  EXPECT_FALSE(result.filtered[1].has_value());
  EXPECT_THAT(Sent(Batch(4, std::vector<float>(7)), 0),
              ElementsAre(0, 3, 0, 0));
  EXPECT_THAT(Sent(Batch(6, std::vector<float>(7)), 0),
              ElementsAre(0, 0, 2, 0));
}

TEST_F(GradientFilterTest, NothingIsSentTwiceWhereWhatWasLeftIsNotKnown) {
  UseTopK(0.25);
  for (int64_t begin = 0; begin < 10; begin += 2) {
    Batch(begin, {4, 3, 0, 0, 0, 0, 0});
  }
  // A server came back with less than is remembered.
  EXPECT_THAT(Sent(Batch(2, {1, 0, 0, 0, 0, 0, 0}), 0),
              ElementsAre(1, 0, 0, 0));
  // Another worker did what is between.
  EXPECT_THAT(Sent(Batch(8, {0, 1, 0, 0, 0, 0, 0}), 0),
              ElementsAre(0, 1, 0, 0));
}

TEST_F(GradientFilterTest, WhoLeavesSendsAll) {
  UseTopK(0.25);
  Batch(0, {4, 3, 2, 0, 0, 0, 0});
  filter_.Flush();
  const ComputeResult result = Batch(2, {1, 0, 0, 0, 0, 0, 0});
  EXPECT_THAT(Sent(result, 0), ElementsAre(1, 3, 2, 0));
  EXPECT_FALSE(result.leaves);
}

TEST_F(GradientFilterTest, AThresholdOfNothingLeavesNothing) {
  Use({.kind = FilterKind::kThreshold});
  std::vector<float> gradient(7);
  gradient[2] = 1e-30f;
  const ComputeResult result = Batch(0, gradient, {});
  EXPECT_EQ(result.filtered[0]->encoding, Encoding::kSparse);
  EXPECT_THAT(Sent(result, 0), ElementsAre(0, 0, 1e-30f, 0));
  EXPECT_FALSE(result.leaves);
}

TEST_F(GradientFilterTest, WhatIsNotSparseTravelsAsFloats) {
  UseTopK(1);
  const ComputeResult result = Batch(0, {1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(result.filtered[0]->encoding, Encoding::kFloat32);
  EXPECT_THAT(Sent(result, 0), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace ebb::client

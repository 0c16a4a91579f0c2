#include "protocol/plan_change.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

JobPlan Plan() {
  JobPlan plan;
  plan.epochs = 3;
  plan.examples = 100;
  plan.shard_size = 10;
  plan.batch_by_epoch = {2, 2, 4};
  plan.parameters = 8;
  plan.partitions = 2;
  return plan;
}

std::string Why(const JobPlan& after) {
  return std::string(MayFollow(Plan(), after).message());
}

TEST(PlanChangeTest, MoreEpochsMayFollow) {
  JobPlan plan = Plan();
  plan.epochs = 6;
  plan.batch_by_epoch = {2, 2, 4, 8};
  plan.layout_hash = 7;
  EXPECT_TRUE(MayFollow(Plan(), plan).ok()) << Why(plan);
}

TEST(PlanChangeTest, OtherBoundsMayFollow) {
  JobPlan plan = Plan();
  plan.min_workers = 2;
  plan.max_workers = 9;
  plan.checkpoint_keep = 7;
  plan.evaluate_every = 2;
  plan.priority = 3;
  plan.on_nonfinite = PoisonPolicy::kSkip;
  EXPECT_TRUE(MayFollow(Plan(), plan).ok()) << Why(plan);
}

TEST(PlanChangeTest, FewerEpochsMayNot) {
  JobPlan plan = Plan();
  plan.epochs = 2;
  EXPECT_THAT(Why(plan), HasSubstr("has 3 epochs, and cannot have only 2"));
}

TEST(PlanChangeTest, WhatMarksRestOnMayNotChange) {
  JobPlan plan = Plan();
  plan.shard_size = 20;
  EXPECT_THAT(Why(plan), HasSubstr("train.item_examples) was 10, would be 20"));
  plan = Plan();
  plan.examples = 90;
  EXPECT_THAT(Why(plan), HasSubstr("training examples was 100, would be 90"));
  plan = Plan();
  plan.batch_by_epoch = {2, 4};
  EXPECT_THAT(Why(plan), HasSubstr("batch of epoch 2 was 2, would be 4"));
  plan = Plan();
  plan.seed = 5;
  EXPECT_THAT(Why(plan), HasSubstr("the seed"));
  plan = Plan();
  plan.partitions = 3;
  EXPECT_THAT(Why(plan), HasSubstr("partitions"));
  plan = Plan();
  plan.consistency.kind = ConsistencyKind::kSsp;
  EXPECT_THAT(Why(plan), HasSubstr("consistency"));
}

// Its last round made operations of figures that are not kept: docs/
// job-changes.md.
TEST(PlanChangeTest, NothingOfAnOperatedJobMayChange) {
  JobPlan before = Plan();
  before.consistency.kind = ConsistencyKind::kRounds;
  before.algorithm.operated = true;
  JobPlan more = before;
  more.epochs = 6;
  JobPlan other = before;
  other.priority = 3;
  for (const JobPlan& after : {more, other, before}) {
    const absl::Status status = MayFollow(before, after);
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("ends with its last round"));
  }
}

TEST(PlanChangeTest, AJobMayEndWithFewerEpochs) {
  JobPlan before = Plan();
  before.consistency.kind = ConsistencyKind::kRounds;
  before.algorithm.operated = true;
  JobPlan after = before;
  after.epochs = before.epochs - 1;
  after.layout_hash = 7;
  EXPECT_TRUE(MayEndAs(before, after).ok());
  EXPECT_FALSE(MayEndAs(before, before).ok());
  EXPECT_FALSE(MayEndAs(after, before).ok());
  JobPlan other = after;
  other.seed = before.seed + 1;
  EXPECT_FALSE(MayEndAs(before, other).ok());
  before.algorithm.operated = after.algorithm.operated = false;
  EXPECT_TRUE(MayEndAs(before, after).ok());
}

TEST(PlanChangeTest, AJobOnDataThatGrowsEndsOnceAndNotLater) {
  JobPlan endless = Plan();
  endless.grows = true;
  endless.epochs = JobPlan::kEndlessEpochs;
  endless.last_epoch_examples = endless.examples;
  JobPlan ended = endless;
  const auto end = JobEnd::After(endless.examples * 3 + 1, endless);
  ended.epochs = end.epochs;
  ended.last_epoch_examples = end.last_epoch_examples;
  EXPECT_EQ(ended.epochs, 4);
  EXPECT_EQ(ended.AllExamples(), endless.examples * 3 + 1);
  EXPECT_TRUE(MayEndAs(endless, ended).ok());
  JobPlan again = ended;
  again.epochs = 2;
  EXPECT_FALSE(MayEndAs(ended, again).ok());
  JobPlan longer = ended;
  longer.epochs = 6;
  EXPECT_THAT(std::string(MayFollow(ended, longer).message()),
              HasSubstr("ebb finish"));
  JobPlan other = endless;
  other.priority = 3;
  EXPECT_TRUE(MayFollow(endless, other).ok());
}

}  // namespace
}  // namespace ebb

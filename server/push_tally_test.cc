#include "server/push_tally.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::server {
namespace {

JobPlan Plan() {
  JobPlan plan;
  plan.examples = 4;
  plan.shard_size = 1;
  plan.epochs = 1;
  plan.batch_by_epoch = {1};
  return plan;
}

PushedExamples Push(int32_t shard, double loss) {
  const ItemId item = {0, shard};
  return {.item = item,
          .begin = 0,
          .end = 1,
          .ledger = ExpectedRow(item, 0, 1),
          .loss_sum = loss};
}

TEST(PushTallyTest, LossesAddUp) {
  const JobPlan plan = Plan();
  PushTally tally(plan, /*least_loss=*/false);
  tally.Count(Push(0, 5), 1);
  tally.Count(Push(1, 3), 1);
  EXPECT_EQ(tally.loss().at(0).loss_sum, 8);
  EXPECT_EQ(tally.loss().at(0).examples, 2);
}

TEST(PushTallyTest, OfTasksTheLeastLossIsKept) {
  const JobPlan plan = Plan();
  PushTally tally(plan, /*least_loss=*/true);
  tally.Count(Push(0, 5), 1);
  tally.Count(Push(1, 3), 1);
  PushedExamples skipped = Push(2, 0);
  skipped.skip = true;
  tally.Count(skipped, 1);
  tally.Count(Push(3, 4), 1);
  EXPECT_EQ(tally.loss().at(0).loss_sum, 3);
  EXPECT_EQ(tally.loss().at(0).examples, 3);
}

// Bug: batches of word vectors without pairs counted as learnt with a loss of
// 0. When little text had many of these, the mean jumped, and jobs that learnt
// were said to diverge.
TEST(PushTallyTest, AZeroThatIsNoLossCountsNoExamples) {
  const JobPlan plan = Plan();
  PushTally tally(plan, /*least_loss=*/false, /*zero_is_none=*/true);
  tally.Count(Push(0, 0), 1);
  // Until there is one, the epoch has none.
  EXPECT_EQ(tally.loss().at(0), (EpochLoss{.loss_sum = 0, .examples = 1}));
  tally.Count(Push(1, 3), 1);
  EXPECT_EQ(tally.loss().at(0), (EpochLoss{.loss_sum = 3, .examples = 1}));
  tally.Count(Push(2, 0), 1);
  tally.Count(Push(3, 5), 1);
  EXPECT_EQ(tally.loss().at(0), (EpochLoss{.loss_sum = 8, .examples = 2}));
  EXPECT_TRUE(tally.HasLoss(3));
  EXPECT_FALSE(tally.HasLoss(0));
}

// Bug: gradients that came without a loss counted as learnt with a loss of 0.
TEST(PushTallyTest, ALossThatIsNotKnownIsNoZero) {
  const JobPlan plan = Plan();
  PushTally tally(plan, /*least_loss=*/false);
  tally.Count(Push(0, kUnknownLoss), 1);
  tally.Count(Push(1, kUnknownLoss), 1);
  EXPECT_FALSE(IsKnownLoss(tally.loss().at(0).loss_sum));
  EXPECT_EQ(tally.loss().at(0).examples, 2);
  tally.Count(Push(2, 0), 1);
  EXPECT_TRUE(IsKnownLoss(tally.loss().at(0).loss_sum));
  tally.Count(Push(3, kUnknownLoss), 1);
  EXPECT_TRUE(IsKnownLoss(tally.loss().at(0).loss_sum));
  EXPECT_EQ(tally.loss().at(0), (EpochLoss{.loss_sum = 0, .examples = 1}));
  EXPECT_FALSE(tally.HasLoss(kUnknownLoss));
  EXPECT_TRUE(tally.HasLoss(0));
}

}  // namespace
}  // namespace ebb::server

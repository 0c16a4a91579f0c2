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

}  // namespace
}  // namespace ebb::server

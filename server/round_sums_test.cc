#include "server/round_sums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <vector>

#include "server/memory/block_pool.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;

// Two shards of 4 examples; 3 parameters, in blocks of 2 floats.
class RoundSumsTest : public testing::Test {
 protected:
  static JobPlan Plan() {
    JobPlan plan;
    plan.examples = 8;
    plan.shard_size = 4;
    plan.batch_by_epoch = {2};
    plan.parameters = 3;
    plan.block_floats = 2;
    return plan;
  }
  static Payload Gradient(float g) {
    return Payload::Of(std::vector<float>(3, g));
  }
  void Push(ItemId item, float g) {
    ASSERT_TRUE(sums_.Prepare(item).ok());
    sums_.Add(item, Gradient(g));
  }
  std::vector<float> Floats(const Blocks& array) const {
    std::vector<float> floats(3);
    shape_.PayloadOf(array).CopyTo(std::as_writable_bytes(std::span(floats)));
    return floats;
  }

  const JobPlan plan_ = Plan();
  const DenseShape shape_{
      plan_, PartitionId(0),
      *BlockPool::Create({.block_bytes = 64, .shared = false})};
  RoundSums sums_{plan_, shape_};
  const ItemId first_{0, 0};
  const ItemId second_{0, 1};
};

TEST_F(RoundSumsTest, FoldsWhatIsAskedForAndForgetsItWhenDropped) {
  Push(second_, 4);
  Push(first_, 1);
  Push(first_, 2);

  sums_.Fold({first_});
  sums_.Drop({first_});

  EXPECT_THAT(Floats(sums_.folded()), ElementsAre(3, 3, 3));
  EXPECT_FALSE(sums_.Holds(first_));
  EXPECT_TRUE(sums_.Holds(second_));
}

TEST_F(RoundSumsTest, TheSumWithAPushIsThatOfFoldingToTheBitAndChangesNothing) {
  Push(first_, 0.1f);
  Push(second_, 1e7f);
  ASSERT_TRUE(sums_.Prepare(second_).ok());
  Blocks sum = *shape_.Allocate();

  sums_.SumWith(second_, Gradient(-0.3f), {first_, second_}, &sum);

  EXPECT_THAT(Floats(sums_.folded()), ElementsAre(0, 0, 0));
  sums_.Add(second_, Gradient(-0.3f));
  sums_.Fold({first_, second_});
  EXPECT_EQ(Floats(sum), Floats(sums_.folded()));
}

TEST_F(RoundSumsTest, ACutHasAllOfIt) {
  Push(first_, 1);
  sums_.Fold({first_});
  sums_.Drop({first_});
  Push(second_, 2);
  sums_.AddLoss(second_, 0.5);
  Cut cut;
  sums_.AddTo(&cut);

  RoundSums restored(plan_, shape_);
  ASSERT_TRUE(restored.RestoreLosses(cut).ok());
  for (const auto& [name, array] : cut.arrays) {
    EXPECT_TRUE(restored.Restore(name, array)) << name;
  }

  EXPECT_THAT(Floats(restored.folded()), ElementsAre(1, 1, 1));
  EXPECT_TRUE(restored.Holds(second_));
  EXPECT_EQ(restored.LossWith(second_, 0.25, 0, 2), 0.75);
  EXPECT_FALSE(restored.Restore("item:0", {}));
  EXPECT_FALSE(restored.Restore("weights", {}));
}

TEST_F(RoundSumsTest, TheNextRoundBeginsWithNothing) {
  Push(first_, 1);
  sums_.AddLoss(first_, 1);
  sums_.Fold({first_});

  sums_.Close({first_});

  EXPECT_TRUE(sums_.folded().empty());
  EXPECT_FALSE(sums_.Holds(first_));
  EXPECT_EQ(sums_.LossWith(first_, 0, 0, 2), 0);
}

}  // namespace
}  // namespace ebb::server

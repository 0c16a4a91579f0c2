#include "protocol/marks.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace ebb {
namespace {

// 2 epochs of 3 shards: 4, 4 and 2 examples.
JobPlan SmallPlan() {
  JobPlan plan;
  plan.epochs = 2;
  plan.examples = 10;
  plan.shard_size = 4;
  plan.batch_by_epoch = {2};
  return plan;
}

TEST(MarkSetTest, AnUntouchedItemHasMarkZero) {
  const JobPlan plan = SmallPlan();
  const MarkSet set(plan);
  EXPECT_EQ(set.mark({0, 1}), 0);
  EXPECT_FALSE(set.Full({0, 1}));
  EXPECT_FALSE(set.Complete());
}

TEST(MarkSetTest, RaisingToTheSizeMakesAnItemFull) {
  const JobPlan plan = SmallPlan();
  MarkSet set(plan);
  ASSERT_TRUE(set.Raise({0, 2}, 2).ok());
  EXPECT_TRUE(set.Full({0, 2}));
  EXPECT_EQ(set.mark({0, 2}), 2);
  EXPECT_EQ(set.full_items(), 1);
  EXPECT_TRUE(set.partial().empty());
}

TEST(MarkSetTest, RefusesToFallOrToPassTheSize) {
  const JobPlan plan = SmallPlan();
  MarkSet set(plan);
  ASSERT_TRUE(set.Raise({0, 0}, 2).ok());
  EXPECT_EQ(set.Raise({0, 0}, 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(set.Raise({0, 0}, 5).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(set.Raise({0, 3}, 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(set.Raise({2, 0}, 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(set.mark({0, 0}), 2);
}

TEST(MarkSetTest, FinishedEpochsFoldIntoACounterWhateverTheirOrder) {
  const JobPlan plan = SmallPlan();
  MarkSet set(plan);
  for (const int32_t shard : {2, 0, 1}) {
    ASSERT_TRUE(set.Raise({1, shard}, plan.ItemSize({1, shard})).ok());
  }
  EXPECT_EQ(set.first_open_epoch(), 0);
  for (const int32_t shard : {1, 2, 0}) {
    ASSERT_TRUE(set.Raise({0, shard}, plan.ItemSize({0, shard})).ok());
  }
  EXPECT_EQ(set.first_open_epoch(), 2);
  EXPECT_TRUE(set.Complete());
  EXPECT_EQ(set.examples(), 20);
  EXPECT_LE(set.Encode().size(), 4u);
}

TEST(MarkSetTest, TheFirstOpenRoundIsTheLowestWithAnUnfilledItem) {
  JobPlan plan = SmallPlan();
  plan.consistency.kind = ConsistencyKind::kRounds;
  plan.consistency.round_items = 2;  // Rounds {0,1}, {2} in each epoch.
  MarkSet set(plan);
  EXPECT_EQ(set.first_open_round(), 0);
  ASSERT_TRUE(set.Raise({0, 1}, 4).ok());
  EXPECT_EQ(set.first_open_round(), 0);
  ASSERT_TRUE(set.Raise({0, 0}, 4).ok());
  EXPECT_EQ(set.first_open_round(), 1);
  ASSERT_TRUE(set.Raise({0, 2}, 2).ok());
  EXPECT_EQ(set.first_open_round(), 2);
}

TEST(MarkSetTest, DecodesWhatItEncoded) {
  const JobPlan plan = SmallPlan();
  MarkSet set(plan);
  ASSERT_TRUE(set.Raise({0, 1}, 4).ok());
  ASSERT_TRUE(set.Raise({0, 0}, 2).ok());
  ASSERT_TRUE(set.Raise({1, 2}, 2).ok());
  const auto decoded = MarkSet::Decode(plan, set.Encode());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, set);
  EXPECT_EQ(decoded->examples(), 8);
  EXPECT_EQ(decoded->full_items(), 2);
}

// docs/formats/marks-and-ledger.md has these bytes.
TEST(MarkSetTest, IsEncodedAsDocumented) {
  const JobPlan plan = SmallPlan();
  MarkSet set(plan);
  for (int32_t shard = 0; shard < 3; ++shard) {
    ASSERT_TRUE(set.Raise({0, shard}, plan.ItemSize({0, shard})).ok());
  }
  ASSERT_TRUE(set.Raise({1, 0}, 4).ok());
  ASSERT_TRUE(set.Raise({1, 1}, 2).ok());
  EXPECT_EQ(absl::BytesToHexString(set.Encode()), "0101010101010102");
}

// The marks were stored before the end was decided.
TEST(MarkSetTest, TheLastItemOfDataThatGrewIsFullWhereItNowEnds) {
  JobPlan endless = SmallPlan();
  endless.grows = true;
  endless.epochs = JobPlan::kEndlessEpochs;
  endless.last_epoch_examples = endless.examples;
  MarkSet set(endless);
  const int32_t shards = endless.shards();
  for (int32_t shard = 0; shard < shards; ++shard) {
    ASSERT_TRUE(set.Raise({0, shard}, endless.ItemSize({0, shard})).ok());
  }
  ASSERT_TRUE(set.Raise({1, 0}, 2).ok());
  EXPECT_EQ(set.PlaceOfEnd(), endless.examples + 2);
  EXPECT_FALSE(set.Complete());

  JobPlan ended = endless;
  const auto end = JobEnd::After(set.PlaceOfEnd(), endless);
  ended.epochs = end.epochs;
  ended.last_epoch_examples = end.last_epoch_examples;
  const auto decoded = MarkSet::Decode(ended, set.Encode());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->Complete());
  EXPECT_EQ(decoded->examples(), ended.AllExamples());

  // Beyond the end it has nothing to say.
  ASSERT_TRUE(set.Raise({1, 1}, endless.ItemSize({1, 1})).ok());
  EXPECT_FALSE(MarkSet::Decode(ended, set.Encode()).ok());
}

TEST(MarkSetTest, RefusesDamagedBytes) {
  const JobPlan plan = SmallPlan();
  MarkSet set(plan);
  ASSERT_TRUE(set.Raise({0, 1}, 4).ok());
  ASSERT_TRUE(set.Raise({0, 0}, 2).ok());
  const std::string good = set.Encode();
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(MarkSet::Decode(plan, good.substr(0, n)).ok()) << n;
  }
  EXPECT_FALSE(MarkSet::Decode(plan, good + "x").ok());
  EXPECT_FALSE(MarkSet::Decode(plan, "\x03").ok());  // 3 of 2 epochs full.
}

}  // namespace
}  // namespace ebb

#include "scheduler/rollback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

VersionKey Key(int32_t partition, uint64_t term, int64_t sequence) {
  return {JobId(1), Generation(2), PartitionId(partition), Term(term),
          sequence};
}

TEST(RollbackTest, NoneWhileTheValuesOfTheOldestOpenRoundAreKept) {
  // Partition 1 came back in round 3, and partition 0 still has its value.
  EXPECT_FALSE(DecideRollback({{{3, 5}, {}}, {{3, 3}, {}}}).has_value());
  EXPECT_FALSE(DecideRollback({{{0, 0}, {}}}).has_value());
}

TEST(RollbackTest, GoesToTheNewestRoundOfWhichAllHaveAVersion) {
  const auto rollback = DecideRollback({
      {{5, 6}, {{Key(0, 1, 0), {1, 2}}, {Key(0, 1, 1), {2, 4}}}},
      {{1, 3}, {{Key(1, 1, 0), {1, 3}}}},
  });
  ASSERT_TRUE(rollback.has_value());
  EXPECT_EQ(rollback->from_round, 6);
  EXPECT_EQ(rollback->to_round, 3);
  EXPECT_THAT(rollback->record.versions,
              ElementsAre(Key(0, 1, 1), Key(1, 1, 0)));
  EXPECT_THAT(rollback->why, HasSubstr("partition 1 came back in round 3"));
}

TEST(RollbackTest, TakesTheNewestVersionThatHasTheRound) {
  // Both versions of partition 0 have round 2: the newer one lost less.
  const auto rollback = DecideRollback({
      {{4, 5}, {{Key(0, 1, 9), {1, 2}}, {Key(0, 2, 0), {2, 3}}}},
      {{2, 2}, {{Key(1, 1, 0), {2, 2}}}},
  });
  ASSERT_TRUE(rollback.has_value());
  EXPECT_EQ(rollback->to_round, 2);
  EXPECT_THAT(rollback->record.versions,
              ElementsAre(Key(0, 2, 0), Key(1, 1, 0)));
}

TEST(RollbackTest, BeginsAgainWhereThereIsNoCommonRound) {
  const auto rollback = DecideRollback({
      {{4, 5}, {{Key(0, 1, 0), {4, 5}}}},
      {{0, 0}, {}},
  });
  ASSERT_TRUE(rollback.has_value());
  EXPECT_EQ(rollback->from_round, 5);
  EXPECT_EQ(rollback->to_round, 0);
  EXPECT_THAT(rollback->record.versions, IsEmpty());
}

TEST(RollbackTest, KeepsAVersionThatCanBeginAgainToo) {
  // Partition 2 has nothing; partition 0 still has the value of round 0.
  const auto rollback = DecideRollback({
      {{1, 2}, {{Key(0, 1, 0), {0, 2}}}},
      {{1, 2}, {{Key(1, 1, 0), {1, 2}}}},
      {{0, 0}, {}},
  });
  ASSERT_TRUE(rollback.has_value());
  EXPECT_EQ(rollback->to_round, 0);
  EXPECT_THAT(rollback->record.versions, ElementsAre(Key(0, 1, 0)));
}

}  // namespace
}  // namespace ebb::scheduler

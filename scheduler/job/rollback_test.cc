#include "scheduler/job/rollback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

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

TEST(RollbackTest, AnOperatorGoesBackToAnOlderRound) {
  const std::vector<PartitionRounds> partitions = {
      {{7, 8},
       {{Key(0, 1, 0), {1, 3}},
        {Key(0, 2, 0), {4, 6}},
        {Key(0, 3, 0), {7, 8}}}},
      {{7, 8},
       {{Key(1, 1, 0), {0, 2}},
        {Key(1, 2, 0), {4, 5}},
        {Key(1, 3, 0), {7, 8}}}},
  };
  const Rollback back = RollbackToRound(partitions, 6);
  EXPECT_EQ(back.from_round, 8);
  EXPECT_EQ(back.to_round, 5);
  EXPECT_THAT(back.record.versions, ElementsAre(Key(0, 2, 0), Key(1, 2, 0)));
  // A version that had gone on beyond it does not count, though it has the
  // value.
  const Rollback older = RollbackToRound(partitions, 4);
  EXPECT_EQ(older.to_round, 2);
  EXPECT_THAT(older.record.versions, ElementsAre(Key(0, 1, 0), Key(1, 1, 0)));
  const Rollback beginning = RollbackToRound(partitions, 1);
  EXPECT_EQ(beginning.to_round, 0);
  EXPECT_THAT(beginning.record.versions, IsEmpty());
}

// Bug: a partition kept rounds that others closed again at another rate, and
// what it made of them was taken at values that were no more.
TEST(RollbackTest, AtAnotherRateAllBeginWithOneRound) {
  const std::vector<PartitionRounds> partitions = {
      {{7, 8}, {{Key(0, 1, 0), {1, 3}}, {Key(0, 2, 0), {4, 6}}}},
      {{7, 8}, {{Key(1, 1, 0), {1, 3}}, {Key(1, 2, 0), {4, 5}}}},
  };
  EXPECT_EQ(OfRoundAt(1, {}), OfRound::kValue);
  for (const auto& [factor, before] :
       {std::pair(0.5, 1.0), {1.0, 0.5}, {0.5, 0.5}}) {
    EXPECT_EQ(OfRoundAt(factor, {.rate_factor = before}), OfRound::kOpen);
  }
  EXPECT_EQ(OfRoundAt(1, {.rate_factor = 1, .nonfinite = 1}), OfRound::kOpen);
  EXPECT_EQ(RollbackToRound(partitions, 6).to_round, 5);
  const Rollback back = RollbackToRound(partitions, 6, OfRound::kOpen);
  EXPECT_EQ(back.to_round, 3);
  EXPECT_THAT(back.record.versions, ElementsAre(Key(0, 1, 0), Key(1, 1, 0)));
  EXPECT_EQ(RollbackToRoundOrOldest(partitions, 1, OfRound::kOpen).to_round, 3);
  const Rollback beginning = RollbackToRound(partitions, 2, OfRound::kOpen);
  EXPECT_EQ(beginning.to_round, 0);
  EXPECT_THAT(beginning.record.versions, IsEmpty());
}

TEST(RollbackTest, AtAnotherRateTheValueWillDoRatherThanTheBeginning) {
  const std::vector<PartitionRounds> partitions = {
      {{7, 8}, {{Key(0, 1, 0), {1, 3}}, {Key(0, 2, 0), {4, 6}}}},
      {{7, 8}, {{Key(1, 1, 0), {1, 2}}, {Key(1, 2, 0), {4, 5}}}},
  };
  const Rollback back = RollbackToRound(partitions, 6, OfRound::kOpen);
  EXPECT_EQ(back.to_round, 5);
  EXPECT_THAT(back.record.versions, ElementsAre(Key(0, 2, 0), Key(1, 2, 0)));
}

// Bug: one partition had a version of the very beginning, and all began anew.
TEST(RollbackTest, AVersionOfTheBeginningIsNoReasonToBeginAnew) {
  const std::vector<PartitionRounds> partitions = {
      {{7, 8}, {{Key(0, 1, 0), {0, 0}}, {Key(0, 2, 0), {3, 4}}}},
      {{7, 8}, {{Key(1, 1, 0), {0, 1}}, {Key(1, 2, 0), {4, 5}}}},
  };
  Rollback back = RollbackToRound(partitions, 6, OfRound::kOpen);
  EXPECT_EQ(back.to_round, 4);
  EXPECT_THAT(back.record.versions, ElementsAre(Key(0, 2, 0), Key(1, 2, 0)));
  back = RollbackToRoundOrOldest(partitions, 1, OfRound::kOpen);
  EXPECT_EQ(back.to_round, 0);
  EXPECT_THAT(back.record.versions, ElementsAre(Key(0, 1, 0), Key(1, 1, 0)));
  // The wanted round is older than all versions of one partition.
  const std::vector<PartitionRounds> late = {
      {{7, 8}, {{Key(0, 1, 0), {0, 0}}, {Key(0, 2, 0), {3, 4}}}},
      {{7, 8}, {{Key(1, 2, 0), {4, 5}}}},
  };
  back = RollbackToRoundOrOldest(late, 1);
  EXPECT_EQ(back.to_round, 4);
  EXPECT_THAT(back.record.versions, ElementsAre(Key(0, 2, 0), Key(1, 2, 0)));
}

std::vector<KeptVersion> Kept(int32_t partition,
                              std::vector<std::pair<int64_t, int64_t>> stored) {
  std::vector<KeptVersion> kept;
  for (const auto& [term, written] : stored) {
    kept.push_back(
        {{JobId(1), Generation(1), PartitionId(partition), Term(term), 0},
         written});
  }
  return kept;
}

TEST(ChooseVersionsTest, TakesOfEachPartitionTheNewestThatIsOldEnough) {
  std::vector<KeptVersion> versions = Kept(0, {{30, 3000}, {10, 1000}});
  for (const KeptVersion& one : Kept(1, {{11, 900}, {21, 2000}, {31, 3500}})) {
    versions.push_back(one);
  }
  const auto terms = [&](const RollbackTarget& target) {
    std::vector<uint64_t> all;
    const auto record = ChooseVersions(versions, 2, target);
    if (!record.ok()) return all;
    for (const VersionKey& key : record->versions) {
      all.push_back(key.term.value());
    }
    return all;
  };
  EXPECT_EQ(terms({.written_unix_ms = 2500}), (std::vector<uint64_t>{10, 21}));
  EXPECT_EQ(terms({.written_unix_ms = 3000}), (std::vector<uint64_t>{30, 21}));
  EXPECT_EQ(terms({.versions_ago = 0}), (std::vector<uint64_t>{30, 31}));
  EXPECT_EQ(terms({.versions_ago = 1}), (std::vector<uint64_t>{10, 21}));
  const auto none = ChooseVersions(versions, 2, {.versions_ago = 2});
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(none.status().message(),
            "none of the 2 stored versions of partition 0 is so old; ebb "
            "checkpoint list shows them all (those from before it moved to "
            "another server are gone)");
  EXPECT_FALSE(ChooseVersions(versions, 2, {.written_unix_ms = 950}).ok());
}

TEST(VersionsBeforeTest, NamesTheOldestWhereThereAreFewer) {
  const std::vector<PartitionRounds> partitions = {
      {{}, {{Key(0, 1, 0)}, {Key(0, 1, 1)}, {Key(0, 2, 0)}, {Key(0, 2, 1)}}},
      {{}, {{Key(1, 3, 1)}, {Key(1, 3, 0)}}},
      {},
  };
  EXPECT_THAT(VersionsBefore(partitions, 2, {Term(), Term(), Term()}),
              ElementsAre(Key(0, 1, 1), Key(1, 3, 0)));
  EXPECT_THAT(VersionsBefore(partitions, 0, {Term(), Term(), Term()}),
              ElementsAre(Key(0, 2, 1), Key(1, 3, 1)));
  // Others had it before it moved.
  EXPECT_THAT(VersionsBefore(partitions, 2, {Term(2), Term(4), Term()}),
              ElementsAre(Key(0, 2, 0)));
}

TEST(RollbackToRoundOrOldestTest, GoesToTheOldestRoundWhereNoneIsOldEnough) {
  const std::vector<PartitionRounds> partitions = {
      {{}, {{Key(0, 1, 0), {3, 4}}, {Key(0, 1, 1), {5, 6}}}},
      {{}, {{Key(1, 1, 0), {4, 5}}, {Key(1, 1, 1), {6, 7}}}},
  };
  EXPECT_EQ(RollbackToRoundOrOldest(partitions, 6).to_round, 5);
  EXPECT_EQ(RollbackToRoundOrOldest(partitions, 5).to_round, 4);
  EXPECT_EQ(RollbackToRoundOrOldest(partitions, 4).to_round, 4);
  const Rollback oldest = RollbackToRoundOrOldest(partitions, 2);
  EXPECT_EQ(oldest.to_round, 4);
  EXPECT_THAT(oldest.record.versions, ElementsAre(Key(0, 1, 0), Key(1, 1, 0)));
  EXPECT_THAT(RollbackToRoundOrOldest({{}, {}}, 3).record.versions, IsEmpty());
}

}  // namespace
}  // namespace ebb::scheduler

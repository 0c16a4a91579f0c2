#include "server/version_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PartitionId kP(3);
constexpr Generation kNow(20), kBefore(10);

VersionKey Key(Generation generation, uint64_t term, int64_t sequence) {
  return {JobId(1), generation, kP, Term(term), sequence};
}

// A generation that started from (kBefore, 1, 1), and has two of its own.
class VersionListTest : public testing::Test {
 protected:
  VersionListTest() {
    list_.Add(Key(kBefore, 1, 0), RoundSpan{0, 1});
    list_.Add(Key(kBefore, 1, 1), RoundSpan{1, 2});
    list_.Add(Key(kBefore, 1, 2), RoundSpan{2, 3});
    list_.Add(Key(kNow, 2, 0), RoundSpan{1, 2});
    list_.Add(Key(kNow, 2, 1), std::nullopt);
  }

  VersionList list_;
  const RollbackRecord rollback_{{Key(kBefore, 1, 1)}};
};

TEST_F(VersionListTest, WhatAGenerationStartedFromIsOfUseToIt) {
  EXPECT_EQ(list_.NewestTerm(kNow, rollback_), Term(2));
  list_.Damaged(Key(kNow, 2, 0));
  list_.Damaged(Key(kNow, 2, 1));
  EXPECT_EQ(list_.NewestTerm(kNow, rollback_), Term(1));
  EXPECT_EQ(list_.NewestTerm(kNow, {}), Term());
  list_.Damaged(Key(kBefore, 1, 1));
  EXPECT_EQ(list_.NewestTerm(kNow, rollback_), Term());
}

TEST_F(VersionListTest, LoadsTheNewestOfTheGenerationElseWhatItStartedFrom) {
  EXPECT_THAT(
      list_.ToLoad(kP, kNow, rollback_),
      ElementsAre(Key(kNow, 2, 1), Key(kNow, 2, 0), Key(kBefore, 1, 1)));
  EXPECT_THAT(list_.ToLoad(kP, Generation(30), {}), IsEmpty());
}

TEST_F(VersionListTest, OffersForARollbackWhatIsOfTheLineOnly) {
  // (kBefore, 1, 2) was rolled back; of (kNow, 2, 1) the rounds are not known.
  EXPECT_THAT(list_.OfRounds(kNow, rollback_),
              ElementsAre(RoundVersion{Key(kBefore, 1, 0), {0, 1}},
                          RoundVersion{Key(kBefore, 1, 1), {1, 2}},
                          RoundVersion{Key(kNow, 2, 0), {1, 2}}));
}

TEST_F(VersionListTest, OffersAnOperatorSoundVersionsOfTheLineOnly) {
  list_.Damaged(Key(kNow, 2, 0));
  EXPECT_THAT(list_.OfTheLine(kNow, rollback_),
              ElementsAre(RoundVersion{Key(kBefore, 1, 0), {0, 1}},
                          RoundVersion{Key(kBefore, 1, 1), {1, 2}},
                          RoundVersion{Key(kNow, 2, 1), {}}));
}

TEST_F(VersionListTest, KeepsTheNewestAndWhatTheGenerationStartedFrom) {
  EXPECT_THAT(
      list_.Prune(1, kNow, rollback_),
      ElementsAre(Key(kBefore, 1, 0), Key(kBefore, 1, 2), Key(kNow, 2, 0)));
  EXPECT_THAT(list_.ToLoad(kP, kNow, rollback_),
              ElementsAre(Key(kNow, 2, 1), Key(kBefore, 1, 1)));
}

TEST_F(VersionListTest, ADamagedVersionPushesOutNoSoundOne) {
  list_.Damaged(Key(kNow, 2, 1));
  EXPECT_THAT(list_.ToLoad(kP, kNow, rollback_),
              ElementsAre(Key(kNow, 2, 0), Key(kBefore, 1, 1)));
  EXPECT_THAT(
      list_.Prune(1, kNow, rollback_),
      ElementsAre(Key(kBefore, 1, 0), Key(kBefore, 1, 2), Key(kNow, 2, 1)));
}

}  // namespace
}  // namespace ebb::server

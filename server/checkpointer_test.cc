#include "server/checkpointer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "common/protocol/marks.h"
#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

using CheckpointerTest = OnePartitionTest;

TEST_F(CheckpointerTest, NothingIsDurableBeforeAVersionOfTheTermIsStored) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written();
  GrantTerm(6, 5);
  EXPECT_EQ(DurableMark(registrations_.back()), 0);
  Written();  // The first version of term 6.
  EXPECT_EQ(writes_.back().key.term, Term(6));
  EXPECT_EQ(DurableMark(registrations_.back()), 1);
}

TEST_F(CheckpointerTest, AnIdlePartitionWritesNoVersion) {
  GrantTerm(5, 0);
  Written();
  Checkpoint();
  EXPECT_THAT(writes_, SizeIs(1));
}

TEST_F(CheckpointerTest, AFailedWriteIsTriedAgainAndLosesNothing) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(writes_, SizeIs(2));
  now_ += absl::Seconds(2);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(writes_, SizeIs(3));
  EXPECT_EQ(MarkSet::Decode(record_->plan, writes_[2].cut.marks)->mark({0, 0}),
            1);
}

// Each move of partitions looked like a disk that cannot be written.
TEST_F(CheckpointerTest, AVersionThatATakeoverForestalledIsNoProblem) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written(absl::FailedPreconditionError("p0 was taken over in term 6"));
  EXPECT_EQ(Statistics().problem, "");

  Checkpoint();
  now_ += absl::Seconds(2);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  Written(absl::ResourceExhaustedError("disk full"));
  EXPECT_EQ(Statistics().problem, "disk full");
}

TEST_F(CheckpointerTest, OldVersionsGoOnlyAfterANewerOneIsDurable) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  EXPECT_THAT(deleted_, IsEmpty());
  Written();
  ASSERT_THAT(deleted_, SizeIs(1));
  EXPECT_EQ(deleted_[0].sequence, 0);
}

TEST_F(CheckpointerTest, WhatIsLookedAtIsKeptForAWhile) {
  GrantTerm(5, 0);
  Written();
  const auto kept = core_->KeepVersions(record_->id, now_ + absl::Seconds(5));
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].key, writes_[0].key);
  Push(5, 0, 0);
  Checkpoint();
  Written();
  EXPECT_THAT(deleted_, IsEmpty());
  now_ += absl::Seconds(5);
  Push(5, 1, 1);
  Checkpoint();
  Written();
  EXPECT_THAT(deleted_, SizeIs(2));
  EXPECT_THAT(core_->KeepVersions(JobId(9), now_), IsEmpty());
}

TEST_F(CheckpointerTest, APartitionDroppedBeforeItsCutIsWrittenAgain) {
  GrantTerm(5, 0);
  Written();
  hold_updates_ = true;
  Push(5, 0, 0);
  GrantTerm(6, 5);  // A version of term 6 is wanted, after the update.
  EXPECT_THAT(writes_, SizeIs(1));
  generation_ = Generation(2);
  GrantTerm(9, 0);  // Initial values again.
  ASSERT_THAT(writes_, SizeIs(2));
  EXPECT_EQ(writes_[1].key.term, Term(9));
}

}  // namespace
}  // namespace ebb::server

#include "scheduler/job/lease_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr SessionId kAnn(1), kBob(2);
constexpr PartitionId kP0(0), kP1(1);
const absl::Time kStart = absl::UnixEpoch();
const absl::Time kLater = kStart + absl::Seconds(3);

class LeaseTableTest : public testing::Test {
 protected:
  // One epoch of three items of 2 examples, on two partitions.
  LeaseTableTest() {
    plan_.examples = 6;
    plan_.shard_size = 2;
    plan_.partitions = 2;
    marks_ = std::make_unique<MarkTable>(plan_);
    leases_ = std::make_unique<LeaseTable>(plan_, *marks_);
  }
  void Fill(PartitionId p, int32_t shard) {
    marks_->Raise(p, {{{0, shard}, 2}}, {},
                  [&](int64_t o) { leases_->FullChanged(o); });
  }
  void Forget(PartitionId p) {
    marks_->Replace(p, MarkSet(plan_), MarkSet(plan_),
                    [&](int64_t o) { leases_->FullChanged(o); });
  }

  JobPlan plan_;
  std::unique_ptr<MarkTable> marks_;
  std::unique_ptr<LeaseTable> leases_;
};

TEST_F(LeaseTableTest, LeasesTheLowestOpenItem) {
  EXPECT_EQ(leases_->LowestOpen(), 0);
  leases_->Take(0, kAnn, kLater);
  EXPECT_EQ(leases_->LowestOpen(), 1);
  leases_->Take(1, kBob, kLater);
  leases_->Release(0, kAnn);
  EXPECT_EQ(leases_->LowestOpen(), 0);  // Reopened before fresh ones.
}

TEST_F(LeaseTableTest, AnItemFullOnEveryPartitionIsNotLeased) {
  Fill(kP0, 0);
  EXPECT_EQ(leases_->LowestOpen(), 0);
  Fill(kP1, 0);
  EXPECT_EQ(leases_->LowestOpen(), 1);
}

TEST_F(LeaseTableTest, AnItemReopensWhenAPartitionComesBackWithLess) {
  for (const PartitionId p : {kP0, kP1}) Fill(p, 0);
  leases_->Take(1, kAnn, kLater);
  leases_->Take(2, kAnn, kLater);
  EXPECT_EQ(leases_->LowestOpen(), std::nullopt);
  Forget(kP1);
  EXPECT_EQ(leases_->LowestOpen(), 0);
}

TEST_F(LeaseTableTest, DoneIsAHintThatTheMarksMustConfirm) {
  leases_->Take(0, kAnn, kLater);
  leases_->Done(0, kAnn, kStart + absl::Seconds(1));
  EXPECT_EQ(leases_->LowestOpen(), 1);
  leases_->ReopenUnconfirmed(kStart + absl::Seconds(1));
  EXPECT_EQ(leases_->LowestOpen(), 0);
}

TEST_F(LeaseTableTest, OnlyTheHolderEndsALease) {
  leases_->Take(0, kAnn, kLater);
  leases_->Release(0, kBob);
  leases_->Done(0, kBob, kLater);
  EXPECT_THAT(leases_->HeldBy(kAnn), ElementsAre(0));
}

TEST_F(LeaseTableTest, RenewalsKeepALeaseFromRunningOut) {
  leases_->Take(0, kAnn, kLater);
  leases_->Take(1, kBob, kLater);
  leases_->Renew(kAnn, kLater + absl::Seconds(3));
  EXPECT_THAT(leases_->Expired(kLater), ElementsAre(testing::Pair(1, kBob)));
}

TEST_F(LeaseTableTest, AWorkerTakesUpWhatNobodyElseHas) {
  EXPECT_TRUE(leases_->Adopt(2, kAnn, kLater));
  EXPECT_TRUE(leases_->Adopt(2, kAnn, kLater));
  EXPECT_FALSE(leases_->Adopt(2, kBob, kLater));
  Fill(kP0, 1);
  Fill(kP1, 1);
  EXPECT_FALSE(leases_->Adopt(1, kBob, kLater));
  EXPECT_FALSE(leases_->Adopt(99, kBob, kLater));
}

TEST_F(LeaseTableTest, QuarantinedItemsWaitForADecision) {
  leases_->Quarantine(0);
  EXPECT_EQ(leases_->LowestOpen(), 1);
  leases_->EndQuarantine(0);
  EXPECT_EQ(leases_->LowestOpen(), 0);
}

TEST_F(LeaseTableTest, AnItemOfTwoStaysLeasedUntilBothAreGone) {
  for (const auto& [first, second] :
       {std::pair(kAnn, kBob), std::pair(kBob, kAnn)}) {
    leases_->Take(0, kAnn, kLater);
    leases_->TakeBackup(0, kBob, kLater);
    EXPECT_THAT(leases_->HoldersOf(0), ElementsAre(kAnn, kBob));
    leases_->Release(0, first);
    EXPECT_THAT(leases_->HoldersOf(0), ElementsAre(second));
    EXPECT_THAT(leases_->HeldBy(first), IsEmpty());
    EXPECT_TRUE(leases_->held().at(0).helped);
    EXPECT_EQ(leases_->held().at(0).batch, 0);
    EXPECT_EQ(leases_->LowestOpen(), 1);
    leases_->Release(0, second);
    EXPECT_EQ(leases_->LowestOpen(), 0);
  }
}

TEST_F(LeaseTableTest, EachOfTwoHasAnExpiryOfItsOwn) {
  leases_->Take(0, kAnn, kStart + absl::Seconds(1));
  leases_->TakeBackup(0, kBob, kStart + absl::Seconds(1));
  leases_->Renew(kBob, kLater);
  EXPECT_THAT(leases_->Expired(kStart + absl::Seconds(2)),
              ElementsAre(std::pair<int64_t, SessionId>(0, kAnn)));
  EXPECT_EQ(leases_->NextExpiry(), kLater);
}

TEST_F(LeaseTableTest, WhoeverOfTwoIsDoneSaysSoForBoth) {
  leases_->Take(0, kAnn, kLater);
  leases_->TakeBackup(0, kBob, kLater);
  leases_->Done(0, kBob, kLater);
  EXPECT_THAT(leases_->HoldersOf(0), IsEmpty());
  EXPECT_EQ(leases_->LowestOpen(), 1);
  leases_->ReopenUnconfirmed(kLater);
  EXPECT_EQ(leases_->LowestOpen(), 0);
}

// Epochs of 6 examples of data that grows, in items of 2 and batches of 1.
class GrowingLeaseTableTest : public LeaseTableTest {
 protected:
  GrowingLeaseTableTest() {
    plan_.grows = true;
    plan_.epochs = JobPlan::kEndlessEpochs;
    plan_.last_epoch_examples = plan_.examples;
    marks_ = std::make_unique<MarkTable>(plan_);
    leases_ = std::make_unique<LeaseTable>(plan_, *marks_);
  }
  void Raise(ItemId item, int64_t mark) {
    for (const PartitionId p : {kP0, kP1}) {
      marks_->Raise(p, {{item, mark}}, {},
                    [&](int64_t o) { leases_->FullChanged(o); });
    }
  }
};

TEST_F(GrowingLeaseTableTest, NothingIsOpenBeyondTheDataThatIsThere) {
  EXPECT_EQ(leases_->LowestOpen(), std::nullopt);
  EXPECT_EQ(leases_->Unfinished(), 0);
  leases_->DataReaches(3);
  EXPECT_EQ(leases_->Unfinished(), 2);
  EXPECT_EQ(leases_->LowestOpen(), 0);
  leases_->Take(0, kAnn, kLater);
  EXPECT_EQ(leases_->LowestOpen(), 1);  // One of its two examples is there.
  EXPECT_EQ(leases_->ReachedSize({0, 1}), 1);
  EXPECT_EQ(leases_->ReachedSize({0, 2}), 0);
  leases_->Take(1, kAnn, kLater);
  EXPECT_EQ(leases_->LowestOpen(), std::nullopt);
  leases_->DataReaches(2);  // Older than what is known.
  EXPECT_EQ(leases_->reached(), 3);
  leases_->DataReaches(9);
  EXPECT_EQ(leases_->LowestOpen(), 2);
}

TEST_F(GrowingLeaseTableTest, AnItemThatIsReturnedWaitsForItsNextExample) {
  leases_->DataReaches(1);
  leases_->Take(0, kAnn, kLater);
  leases_->Release(0, kAnn);
  leases_->Returned(0, 1, kLater);
  // The worker knows better than the marks.
  EXPECT_EQ(leases_->LowestOpen(), std::nullopt);
  EXPECT_EQ(leases_->Unfinished(), 0);
  leases_->DataReaches(2);
  EXPECT_EQ(leases_->LowestOpen(), 0);
}

TEST_F(GrowingLeaseTableTest, AReturnedItemThatNoMarkConfirmsIsOpenAgain) {
  leases_->DataReaches(1);
  leases_->Take(0, kAnn, kLater);
  leases_->Release(0, kAnn);
  leases_->Returned(0, 1, kLater);
  leases_->ReopenUnconfirmed(kLater);
  EXPECT_EQ(leases_->LowestOpen(), 0);
}

TEST_F(GrowingLeaseTableTest, WhatIsAppliedWasThere) {
  Raise({0, 0}, 2);
  Raise({0, 1}, 1);
  EXPECT_EQ(leases_->reached(), 3);
  EXPECT_EQ(leases_->LowestOpen(), std::nullopt);
}

TEST_F(GrowingLeaseTableTest, FullEpochsCostNothing) {
  leases_->DataReaches(60);
  for (int32_t epoch = 0; epoch < 9; ++epoch) {
    for (int32_t shard = 0; shard < 3; ++shard) Raise({epoch, shard}, 2);
  }
  EXPECT_EQ(marks_->EpochsFull(), 9);
  EXPECT_EQ(marks_->full_everywhere(), 27);
  EXPECT_TRUE(marks_->FullEverywhere(26));
  EXPECT_EQ(leases_->LowestOpen(), 27);
  // One comes back with less than is counted.
  Forget(kP0);
  EXPECT_EQ(marks_->full_everywhere(), 0);
  EXPECT_EQ(leases_->LowestOpen(), 0);
  EXPECT_EQ(leases_->reached(), 60);
}

}  // namespace
}  // namespace ebb::scheduler

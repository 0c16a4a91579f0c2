// Pushes of several batches, and pulls for several: what a job's algorithm asks
// of a worker's core (docs/decisions/0014-algorithms.md).
#include <array>
#include <memory>
#include <span>

#include "algorithms/algorithm.h"
#include "client/testing/two_servers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// An item has 8 batches.
class BatchRunsTest : public TwoServersTest {
 protected:
  BatchRunsTest() : TwoServersTest(1, /*prefetch=*/false) {}

  void BeginDownpour(int32_t push_every, int32_t pull_every) {
    algorithm_ = BuiltinAlgorithms()
                     .Create({.kind = "downpour",
                              .push_every = push_every,
                              .pull_every = pull_every})
                     .value();
    record_.plan.algorithm = algorithm_->Plan();
    Begin();
  }
  void BeginElastic(int32_t push_every) {
    algorithm_ = BuiltinAlgorithms()
                     .Create({.kind = "aeasgd",
                              .push_every = push_every,
                              .moving_rate = 0.5})
                     .value();
    record_.plan.algorithm = algorithm_->Plan();
    record_.plan.consistency.local_steps = 0;
    Begin();
  }
  void Skip(int64_t begin) {
    Lease lease = LeaseOf(kFirst);
    lease.skipped = {{kFirst, begin, begin + 1}};
    Hear(lease);
  }
};

TEST_F(BatchRunsTest, APushCoversSeveralBatches) {
  BeginDownpour(3, 3);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(PushedTo(kOfA),
              ElementsAre(Range{0, 3}, Range{3, 6}, Range{6, 8}));
  EXPECT_EQ(oracles_[kOfA], 80u);
  EXPECT_EQ(pushes_[0].second.loss_sum, 3);
}

// Of a rate of 0.5: example k has gradient k + 1, and a batch has one.
TEST_F(BatchRunsTest, BatchesGoOnFromLocalStepsUntilTheNextPull) {
  BeginDownpour(2, 4);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(computed_from_, ElementsAre(0, -0.5, -1.5, -3,  //
                                          2, -0.5, -3.5, -7));
}

TEST_F(BatchRunsTest, ItPullsWithinARunWhereThatIsWanted) {
  BeginDownpour(4, 2);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(PushedTo(kOfA), ElementsAre(Range{0, 4}, Range{4, 8}));
  EXPECT_THAT(computed_from_, ElementsAre(0, -0.5, 0, -1.5, 1, -1.5, 1, -2.5));
}

TEST_F(BatchRunsTest, ARunIsAsStaleAsTheOldestValuesInIt) {
  BeginDownpour(4, 2);
  Work(4);
  EXPECT_EQ(pushes_[0].second.segments[0].pulled_updates, 0);
  Work(1);
  for (const PartitionId p : {kOfA, kOfB}) ++applied_[p];  // By another worker.
  Work();
  EXPECT_EQ(pushes_.back().second.segments[0].pulled_updates, 1);
}

TEST_F(BatchRunsTest, WhatAServerLostIsPushedInRunsFromItsMark) {
  BeginDownpour(3, 3);
  Work(7);
  EXPECT_EQ(MarkOf(kOfA), 6);
  sums_[kOfB] = 3;  // Of examples 0 and 1.
  ledgers_[kOfB] = ExpectedRow(kFirst, 0, 2);
  Restart(2);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(PushedTo(kOfB),
              ElementsAre(Range{0, 3}, Range{3, 6}, Range{6, 8}, Range{2, 3},
                          Range{3, 6}, Range{6, 8}));
}

TEST_F(BatchRunsTest, ABatchToBeSkippedEndsARun) {
  BeginDownpour(8, 8);
  Work(2);  // They are gathered.
  Skip(5);
  Work();
  EXPECT_THAT(PushedTo(kOfA),
              ElementsAre(Range{0, 5}, Range{5, 6}, Range{6, 8}));
  EXPECT_TRUE(pushes_[2].second.skip);
  EXPECT_EQ(sums_[kOfB], 36 - 6);
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2, 3, 4, 6, 7));
}

TEST_F(BatchRunsTest, OneThatIsGatheredAlreadyMakesTheRunBeginAnew) {
  BeginDownpour(8, 8);
  Work(4);
  Skip(1);
  Work();
  EXPECT_THAT(PushedTo(kOfA),
              ElementsAre(Range{0, 1}, Range{1, 2}, Range{2, 8}));
  EXPECT_EQ(sums_[kOfA], 36 - 2);
}

TEST_F(BatchRunsTest, WhoLeavesPushesWhatItGathered) {
  BeginDownpour(8, 8);
  Work(3);
  Do([&](auto* out) { core_.Drain(now_, out); });
  EXPECT_FALSE(core_.Drained());
  Work();
  EXPECT_TRUE(core_.Drained());
  // That which was begun, and one more to end the run with.
  EXPECT_THAT(PushedTo(kOfA), ElementsAre(Range{0, 5}));
  EXPECT_THAT(ended_, ElementsAre(LeaseEnd::kReturned));
}

TEST_F(BatchRunsTest, ALostLeaseLosesNothingThatIsMarked) {
  BeginDownpour(4, 4);
  Work(6);
  Hear(LeaseLost{record_.id, generation_, kFirst});
  Work();
  EXPECT_EQ(MarkOf(kOfA), 4);
  // Leased anew, it is gone through from the marks.
  Lease lease = LeaseOf(kFirst);
  lease.hints = {4, 4};
  Hear(lease);
  Work();
  ExpectWholeAndDone(kFirst);
}

TEST_F(BatchRunsTest, ServersThatAreAwayGetTheirRunsLater) {
  record_.plan.consistency.local_steps = 6;
  BeginDownpour(2, 2);
  LoseBAfter(2);
  EXPECT_EQ(MarkOf(kOfA), 8);
  EXPECT_EQ(MarkOf(kOfB), 2);
  Restart(2);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(PushedTo(kOfB), ElementsAre(Range{0, 2}, Range{2, 8}));
}

TEST_F(BatchRunsTest, AMeanOfARunIsPushedAndCountsAllOfIt) {
  algorithm_ = BuiltinAlgorithms()
                   .Create({.kind = "adag", .push_every = 4, .pull_every = 4})
                   .value();
  record_.plan.algorithm = algorithm_->Plan();
  Begin();
  Work();
  EXPECT_EQ(sums_[kOfA], 36.0f / 4);
  EXPECT_EQ(ledgers_[kOfA], ExpectedRow(kFirst, 0, kItem));
}

// Of a rate of 0.5; copies go half of the way.
TEST_F(BatchRunsTest, ACopyIsHandedInWholeAtTheItemsEnd) {
  BeginElastic(4);
  Work();
  EXPECT_THAT(PushedTo(kOfA), ElementsAre(Range{0, 4}, Range{4, 8}));
  // Pulled before the push: 0. The copy came to -0.5 (1 + 2 + 3 + 4), and goes
  // back to -2.5; then to -2.5 - 13, seen from the 1 that was pulled.
  EXPECT_EQ(sums_[kOfA], -2.5 - 16.5);
  EXPECT_EQ(ledgers_[kOfA], ExpectedRow(kFirst, 0, kItem));
  EXPECT_THAT(ended_, ElementsAre(LeaseEnd::kDone));
}

TEST_F(BatchRunsTest, WhoLeavesHandsInItsCopyWithAnotherBatch) {
  BeginElastic(4);
  Work(4);
  EXPECT_EQ(sums_[kOfA], -2.5);
  Do([&](auto* out) { core_.Drain(now_, out); });
  Work();
  EXPECT_TRUE(core_.Drained());
  EXPECT_THAT(PushedTo(kOfA), ElementsAre(Range{0, 4}, Range{4, 6}));
  EXPECT_EQ(sums_[kOfA], -2.5 - 0.5 * (5 + 6));
}

// Nothing that a server has is pushed to it a second time.
TEST_F(BatchRunsTest, WhatOneServerLostTheOtherDoesNotGet) {
  BeginElastic(2);
  Work(3);
  Restart(0);
  Work(1);
  const float before = sums_[kOfA];
  Work();
  EXPECT_EQ(MarkOf(kOfA), kItem);
  EXPECT_EQ(MarkOf(kOfB), kItem);
  // Of [4, 8) alone: half of the way of two batches from 2, which was pulled,
  // and all of the rest, seen from 3.
  EXPECT_EQ(sums_[kOfA] - before, -0.5 * 5.5 - 11.25);
  EXPECT_THAT(PushedTo(kOfA),
              ElementsAre(Range{0, 2}, Range{2, 4}, Range{4, 6}, Range{6, 8}));
}

// A mark may not stand for what the copy has forgotten.
TEST_F(BatchRunsTest, WhoStepsBackWhileARunIsComputedGetsItComputedAgain) {
  BeginElastic(2);
  Work(4);
  Restart(0);
  Work(2);
  Restart(0, kA);  // The run [0, 2), for B, is almost done.
  Work();
  EXPECT_EQ(MarkOf(kOfA), kItem);
  EXPECT_EQ(MarkOf(kOfB), kItem);
  for (const auto& [to, push] : pushes_) {
    for (const PushSegment& segment : push.segments) {
      if (segment.partition != to) continue;
      std::array<float, 2> gradient{};
      ASSERT_EQ(segment.gradient.size(), sizeof(gradient));
      segment.gradient.CopyTo(std::as_writable_bytes(std::span(gradient)));
      EXPECT_LT(gradient[0], 0) << push.begin << " to " << push.end;
    }
  }
}

TEST_F(BatchRunsTest, ARoundHasWholeItems) {
  record_.plan.consistency = {.kind = ConsistencyKind::kRounds,
                              .round_items = 2};
  algorithm_ = BuiltinAlgorithms().Create({.kind = "local_sgd"}).value();
  record_.plan.algorithm = algorithm_->Plan();
  Begin();
  Work(3);
  // Who leaves drops what it has.
  Do([&](auto* out) { core_.Drain(now_, out); });
  Work();
  EXPECT_TRUE(core_.Drained());
  EXPECT_THAT(PushedTo(kOfA), IsEmpty());
}

}  // namespace
}  // namespace ebb::client

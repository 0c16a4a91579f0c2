// A worker while a server is away: docs/decisions/0007-local-steps.md.
#include <optional>
#include <utility>
#include <vector>

#include "client/testing/two_servers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using LocalStepsTest = TwoServersTest;

TEST_F(LocalStepsTest, GoesOnWithTheOthersAndDeliversOnReturn) {
  BeginAndLoseB();
  EXPECT_EQ(MarkOf(kOfB), 2);
  EXPECT_EQ(MarkOf(kOfA), 5);  // At most three batches.
  Restart(2);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_EQ(oracles_[kOfA], 80u);
  EXPECT_EQ(oracles_[kOfB], 160u);
  EXPECT_THAT(PushedTo(kOfB),
              ElementsAre(Range{0, 1}, Range{1, 2}, Range{2, 5}, Range{5, 6},
                          Range{6, 7}, Range{7, 8}));
  EXPECT_EQ(pushes_[7].second.loss_sum, 3);
  // The push of [2, 3) found out that it is away.
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2, 2, 3, 4, 5, 6, 7));
  EXPECT_EQ(core_.local_steps().batches, 3);
  EXPECT_EQ(core_.local_steps().applied, 1);
}

TEST_F(LocalStepsTest, WithoutLocalStepsItWaits) {
  record_.plan.consistency.local_steps = 0;
  BeginAndLoseB();
  // What was pulled before was computed, and lost for the server.
  EXPECT_EQ(MarkOf(kOfA), 3);
  Restart(2);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_EQ(core_.local_steps().batches, 0);
}

TEST_F(LocalStepsTest, WhatAServerLostIsComputedAgainAndTheShareFollows) {
  BeginAndLoseB();
  computed_.clear();
  sums_[kOfB] = 0;
  ledgers_[kOfB] = {};
  Restart(0);
  Work();
  ExpectWholeAndDone(kFirst);
  // Of [2, 5) nothing is computed twice.
  EXPECT_THAT(computed_, ElementsAre(0, 1, 5, 6, 7));
  EXPECT_EQ(core_.local_steps().refused, 1);
  EXPECT_EQ(core_.local_steps().applied, 1);
}

TEST_F(LocalStepsTest, AShareThatAnotherWorkerWasFasterWithIsDropped) {
  BeginAndLoseB();
  computed_.clear();
  Restart(3);
  sums_[kOfB] += 3;  // Example 2, of another worker.
  ledgers_[kOfB] += ExpectedRow(kFirst, 2, 3);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(computed_, ElementsAre(3, 4, 5, 6, 7));
  EXPECT_EQ(core_.local_steps().refused, 1);
}

TEST_F(LocalStepsTest, AShareGoesToWhoeverServesThePartition) {
  BeginAndLoseB();
  owner_[kOfB] = kA;
  ++term_[kOfB];
  Place();
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_EQ(core_.local_steps().applied, 1);
}

TEST_F(LocalStepsTest, AServerThatWasOnlyCutOffGetsItsShareToo) {
  BeginAndLoseB();
  down_ = {};
  Wait();  // Nobody says that it is there.
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2, 2, 3, 4, 5, 6, 7));
}

TEST_F(LocalStepsTest, AShareThatIsLostOnItsWayIsSentAgain) {
  BeginAndLoseB();
  for (int i = 0; i < 3; ++i) Wait();  // Each tries whether it is back.
  down_ = {};
  Wait();
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2, 2, 3, 4, 5, 6, 7));
}

TEST_F(LocalStepsTest, WithNothingLeftToComputeTheShareIsDelivered) {
  Begin();
  LoseBAfter(6);
  EXPECT_EQ(MarkOf(kOfA), kItem);
  EXPECT_THAT(ended_, IsEmpty());
  down_ = {};
  Wait();
  ExpectWholeAndDone(kFirst);
}

TEST_F(LocalStepsTest, TheBoundHoldsOverAllItems) {
  record_.plan.consistency.local_steps = 5;
  Begin();
  Hear(LeaseOf(kSecond));
  LoseBAfter(6);
  EXPECT_EQ(MarkOf(kOfA), kItem);
  EXPECT_EQ(MarkOf(kOfA, kSecond), 3);
}

TEST_F(LocalStepsTest, ANewGenerationDropsTheShare) {
  BeginAndLoseB();
  generation_ = Generation(2);
  marks_.clear();
  sums_.clear();
  ledgers_.clear();
  pushes_.clear();
  ++term_[kOfA];
  Restart(0);
  EXPECT_THAT(ended_, ElementsAre(LeaseEnd::kReturned));
  ended_.clear();
  Hear(LeaseOf(kFirst));
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(PushedTo(kOfB), testing::SizeIs(kItem));
}

TEST_F(LocalStepsTest, AStaleShareIsComputedAgain) {
  BeginAndLoseB();
  computed_.clear();
  refusal_ = Verdict::kStale;
  Restart(2);
  refusal_ = std::nullopt;
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(computed_, testing::Contains(2));
  EXPECT_EQ(core_.local_steps().refused, 1);
}

TEST_F(LocalStepsTest, WhatIsPassedOverIsInNoShare) {
  Begin();
  Lease lease = LeaseOf(kFirst);
  lease.skipped = {{kFirst, 3, 4}};
  Hear(lease);
  LoseBAfter(2);
  EXPECT_EQ(MarkOf(kOfA), 3);
  Restart(2);
  Work();
  EXPECT_THAT(PushedTo(kOfB),
              ElementsAre(Range{0, 1}, Range{1, 2}, Range{2, 3}, Range{3, 4},
                          Range{4, 5}, Range{5, 6}, Range{6, 7}, Range{7, 8}));
}

TEST_F(LocalStepsTest, ADecisionToPassOverDropsTheShareThatMayHaveIt) {
  BeginAndLoseB();
  Lease lease = LeaseOf(kFirst);
  lease.skipped = {{kFirst, 3, 4}};
  Hear(lease);
  Restart(2);
  Work();
  EXPECT_EQ(MarkOf(kOfB), kItem);
  EXPECT_THAT(PushedTo(kOfB), testing::SizeIs(kItem));
}

TEST_F(LocalStepsTest, GoesOnWithoutAServerThatWasShortOfRoom) {
  Begin();
  refusal_ = Verdict::kBusy;
  Work(1);
  refusal_.reset();
  Wait();
  while (MarkOf(kOfB) < 2) Work(1);
  down_ = {kB};
  for (int i = 0; i < 20; ++i) {
    Work();
    Wait();
  }
  EXPECT_EQ(MarkOf(kOfA), 5);
}

class TwoBatchesTest : public TwoServersTest {
 protected:
  TwoBatchesTest() : TwoServersTest(2) {}
};

TEST_F(TwoBatchesTest, AShareThatIsPartlyCountedAndSentAgainIsJudged) {
  Begin();
  refusal_ = Verdict::kBusy;
  Work(1);
  refusal_.reset();
  Wait();
  while (MarkOf(kOfB) < 4) Work(1);
  down_ = {kB};
  Work();
  down_.clear();
  marks_[{kOfB, kFirst}] = 6;  // Another worker was faster.
  busy_end_ = kItem;
  for (int i = 0; i < 50; ++i) {
    Wait();
    Work();
  }
  EXPECT_THAT(ended_, ElementsAre(LeaseEnd::kDone));
}

TEST_F(LocalStepsTest, WhoLeavesReturnsTheItemAtItsPlace) {
  BeginAndLoseB();
  ClientActions out;
  core_.Drain(now_, &out);
  EXPECT_TRUE(core_.Drained());
  std::vector<int64_t> positions;
  for (const ClientAction& action : out) {
    const auto* send = std::get_if<SendScheduler>(&action);
    if (send == nullptr) continue;
    if (const auto* end = std::get_if<ItemEnd>(&send->message)) {
      EXPECT_EQ(end->end, LeaseEnd::kReturned);
      positions.push_back(end->position);
    }
  }
  EXPECT_THAT(positions, ElementsAre(2));
}

}  // namespace
}  // namespace ebb::client

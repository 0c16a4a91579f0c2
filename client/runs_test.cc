// Runs: pushes of local steps from values that have the worker's last one
// (docs/decisions/0055-runs.md).
#include <memory>
#include <vector>

#include "client/testing/two_servers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Steps of plain SGD at a rate of -1: a push is the sum of its gradients if the
// run began where it was pulled. It tells how often it began.
class Steps final : public LocalRule {
 public:
  Steps(int64_t floats, int* begun)
      : begun_(*begun), start_(floats), values_(floats) {}
  void Begin(std::span<const float> pulled) override {
    ++begun_;
    start_.assign(pulled.begin(), pulled.end());
    values_ = start_;
  }
  void Pulled(std::span<const float>) override {
    ADD_FAILURE() << "values changed within a run";
  }
  std::span<const float> Values() const override { return values_; }
  void Step(const LocalStep&, std::span<const float> sum) override {
    for (size_t i = 0; i < sum.size(); ++i) values_[i] += sum[i];
  }
  void Push(const LocalPush&, std::span<float> out) override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = values_[i] - start_[i];
  }

 private:
  int& begun_;
  std::vector<float> start_;
  std::vector<float> values_;
};

class StepsAlgorithm final : public Algorithm {
 public:
  explicit StepsAlgorithm(int* begun) : begun_(begun) {}
  std::unique_ptr<LocalRule> MakeLocalRule(int64_t parameters) const override {
    return std::make_unique<Steps>(parameters, begun_);
  }

 private:
  int* const begun_;
};

// An item has 8 batches. The worker pulls ahead where it may.
class RunsTest : public TwoServersTest {
 protected:
  RunsTest() : TwoServersTest(2, /*prefetch=*/true) {}

  void BeginRuns(int32_t period) {
    record_.plan.consistency.local_steps = 0;
    record_.plan.algorithm = {.push_batches = period,
                              .pull_batches = period,
                              .worker_vectors = 2,
                              .runs = true};
    ASSERT_TRUE(record_.plan.Validate().ok()) << record_.plan.Validate();
    algorithm_ = std::make_unique<StepsAlgorithm>(&begun_);
    Begin();
  }
  Lease Careful(ItemId item) const {
    Lease lease = LeaseOf(item);
    lease.careful = true;
    return lease;
  }
  void Allow(int64_t batch, ItemId item = kFirst) {
    Lease lease = Careful(item);
    lease.begins = true;
    lease.batch = batch;
    Hear(lease);
  }

  int begun_ = 0;
};

TEST_F(RunsTest, ARunIsAPushAndBeginsAnew) {
  BeginRuns(3);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(PushedTo(kOfA),
              ElementsAre(Range{0, 3}, Range{3, 6}, Range{6, 8}));
  EXPECT_EQ(begun_, 3);
}

// Pulled values are as many as pushes were applied before.
TEST_F(RunsTest, ARunBeginsWithTheOneBeforeIt) {
  BeginRuns(2);
  Work();
  EXPECT_THAT(computed_from_, ElementsAre(0, 1, 1, 4, 2, 7, 3, 10));
}

TEST_F(RunsTest, ARunKeepsItsValuesWhileAServerRestarts) {
  BeginRuns(4);
  Work(2);
  Restart(0);  // Nothing was pushed to it.
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_EQ(begun_, 2);
}

TEST_F(RunsTest, WhatAPartitionLostIsComputedFromItsMark) {
  BeginRuns(4);
  Work(6);
  sums_[kOfB] = 3;  // It has examples 0 and 1 of the first run.
  ledgers_[kOfB] = ExpectedRow(kFirst, 0, 2);
  Restart(2);
  Work();
  ExpectWholeAndDone(kFirst);
  EXPECT_THAT(PushedTo(kOfA), ElementsAre(Range{0, 4}, Range{4, 8}));
}

TEST_F(RunsTest, AWorkerThatLeavesPushesThePartThatItHas) {
  BeginRuns(8);
  Work(3);
  Do([&](auto* out) { core_.Drain(now_, out); });
  Work();
  EXPECT_TRUE(core_.Drained());
  EXPECT_THAT(PushedTo(kOfA), ElementsAre(Range{0, 5}));
  EXPECT_EQ(ledgers_[kOfA], ExpectedRow(kFirst, 0, 5));
  EXPECT_EQ(sums_[kOfA], 15);
}

// Nothing is left of the second item's run, so it does not go on with the first
// batch by batch.
TEST_F(RunsTest, AWorkerThatLeavesPushesNoRunThatItDropped) {
  BeginRuns(8);
  Hear(LeaseLost{record_.id, generation_, kFirst});
  Hear(LeaseOf(kSecond));
  Work(3);
  Hear(LeaseOf(kFirst));
  Work(2);
  Do([&](auto* out) { core_.Drain(now_, out); });
  Work();
  EXPECT_TRUE(core_.Drained());
  EXPECT_THAT(PushedTo(kOfA), SizeIs(1));
}

// Another worker had the item meanwhile, and was told to leave.
TEST_F(RunsTest, ARunWithinTheGridBeginsWithNewValues) {
  BeginRuns(8);
  Hear(LeaseOf(kSecond));
  Work(3);  // The next batch is under way.
  Hear(LeaseLost{record_.id, generation_, kFirst});
  for (const PartitionId p : {kOfA, kOfB}) {
    ++applied_[p];
    marks_[{p, kFirst}] = 4;
  }
  Lease lease = LeaseOf(kFirst);
  lease.hints = {4, 4};
  Hear(lease);
  Work(2);
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(computed_from_.back(), 1);
}

TEST_F(RunsTest, InRoundsItDropsTheRun) {
  record_.plan.consistency = {.kind = ConsistencyKind::kRounds,
                              .round_items = 2};
  BeginRuns(0);
  Work(3);
  Do([&](auto* out) { core_.Drain(now_, out); });
  Work();
  EXPECT_TRUE(core_.Drained());
  EXPECT_THAT(PushedTo(kOfA), IsEmpty());
}

TEST_F(RunsTest, ASkipCutsARunInTwo) {
  BeginRuns(8);
  Work(2);
  Lease lease = LeaseOf(kFirst);
  lease.skipped = {{kFirst, 1, 2}};
  Hear(lease);
  Work();
  EXPECT_THAT(PushedTo(kOfA),
              ElementsAre(Range{0, 1}, Range{1, 2}, Range{2, 8}));
  EXPECT_EQ(sums_[kOfA], 36 - 2);
  EXPECT_EQ(begun_, 3);  // Once more for [0, 1), which had batch 1 behind it.
}

TEST_F(RunsTest, UnderACarefulLeaseABatchBeginsWhenTheSchedulerAnswered) {
  BeginRuns(4);
  Work(2);
  Hear(Careful(kFirst));
  Work();  // The batch that was begun.
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_[0].item, kFirst);
  EXPECT_EQ(asked_[0].batch, 3);
  Allow(2);  // The answer to something else.
  Work();
  EXPECT_THAT(computed_, SizeIs(3));
  Allow(3);
  Work();
  EXPECT_THAT(computed_, ElementsAre(0, 1, 2, 3));
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(asked_[1].batch, 4);
  // The question is lost with the connection.
  Do([&](auto* out) {
    core_.OnSchedulerDisconnected();
    core_.OnSchedulerConnected(now_, out);
  });
  EXPECT_THAT(asked_, SizeIs(3));
  Hear(LeaseOf(kFirst));  // The next scheduler knows of no death.
  Work();
  ExpectWholeAndDone(kFirst);
}

// The scheduler gives it back instead of an answer.
TEST_F(RunsTest, AQuestionAboutALeaseThatRanOutIsAskedAgain) {
  BeginRuns(4);
  Hear(Careful(kSecond));
  Work();
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_[0].item, kFirst);
  Hear(LeaseOf(kFirst));
  EXPECT_THAT(asked_, SizeIs(2));
}

TEST_F(RunsTest, AnAnswerAboutALostItemIsNoLease) {
  BeginRuns(4);
  Hear(Careful(kFirst));
  Work();
  Hear(LeaseLost{record_.id, generation_, kFirst});
  Allow(1);
  EXPECT_THAT(core_.held(record_.id), IsEmpty());
}

TEST_F(RunsTest, WhenAllLeasesAreLostNothingPulledIsUsed) {
  record_.plan.consistency = {.kind = ConsistencyKind::kRounds,
                              .round_items = 2};
  BeginRuns(0);
  Work(3);
  Hear(LeaseLost{record_.id, generation_, kSecond, /*all=*/true});
  EXPECT_THAT(core_.held(record_.id), IsEmpty());
  Work();  // What was computed belongs to no item.
  for (const PartitionId p : {kOfA, kOfB}) ++applied_[p];
  Hear(LeaseOf(kFirst));
  Work(1);
  EXPECT_EQ(computed_from_.back(), 1);
}

// The batch under way began with values that are gone.
TEST_F(RunsTest, ASkipInRoundsLeavesOutWhatIsUnderWay) {
  record_.plan.consistency = {.kind = ConsistencyKind::kRounds,
                              .round_items = 2};
  BeginRuns(0);
  Work(3);  // The next batch is under way.
  Do([&](auto*) { core_.OnSchedulerDisconnected(); });
  Do([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
  Hear(LeaseLost{record_.id, generation_, kFirst});
  for (const PartitionId p : {kOfA, kOfB}) ++applied_[p];
  Lease again = LeaseOf(kFirst);
  again.skips = 1;
  Hear(again);
  Work(2);
  EXPECT_EQ(computed_.back(), 0);
  EXPECT_EQ(computed_from_.back(), 1);
  EXPECT_EQ(begun_, 2);
}

// Its lease ran out, and is given back on the way of its goodbye.
TEST_F(RunsTest, AWorkerThatLeavesGivesBackWhatItHoldsAndIsGivenAgain) {
  BeginRuns(8);
  Hear(Careful(kFirst));
  Work();  // It asks for the next batch.
  Do([&](auto* out) { core_.Drain(now_, out); });
  EXPECT_FALSE(core_.Drained());
  Hear(Careful(kFirst));
  Work();
  EXPECT_TRUE(core_.Drained());
}

}  // namespace
}  // namespace ebb::client

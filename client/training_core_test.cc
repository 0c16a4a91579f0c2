// Tests what a worker asks for and pushes, in which order, whatever servers and
// scheduler answer.
#include "client/training_core.h"

#include <memory>
#include <utility>
#include <vector>

#include "client/testing/training_core_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kA;
using testing::kB;
using testing::kMe;
using ::testing::SizeIs;
using testing::TrainingCoreTest;

TEST_F(TrainingCoreTest, PullsFromAllComputesAndPushesToAll) {
  Begin(LeaseOf(0));
  EXPECT_THAT(pulls_, SizeIs(2));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
  EXPECT_EQ(computes_[0].end, 1);
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  for (const SendPush& push : pushes_) {
    EXPECT_EQ(push.request.begin, 0);
    EXPECT_EQ(push.request.sequence, 0);
    EXPECT_EQ(push.request.segments[0].gradient.size(), 8);
  }
}

TEST_F(TrainingCoreTest, WhoComputesIsToldOfTheNextValuesOnce) {
  Begin(LeaseOf(0));
  const auto first = std::exchange(open_pulls_, {});
  for (const SendPull& pull : first) Answer(pull);
  EXPECT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(expected_, IsEmpty()) << "they are on their way";
  AnswerPulls();
  ASSERT_THAT(expected_, SizeIs(1));
  Tick(absl::Milliseconds(150));
  EXPECT_THAT(expected_, SizeIs(1));

  Computed();

  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 1);
  EXPECT_EQ(computes_[0].values, expected_[0]);
  Tick(absl::Milliseconds(150));
  EXPECT_THAT(expected_, SizeIs(1)) << "no batch comes after it";
}

// Which go on from what the batch under way makes of them.
TEST_F(TrainingCoreTest, OfTheValuesOfALocalRuleNothingIsTold) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.algorithm.worker_vectors = 1;
  record_ = record;
  Begin(LeaseOf(0));
  AnswerPulls();
  EXPECT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(expected_, IsEmpty());
}

TEST_F(TrainingCoreTest, AGapStepsBackToTheMarkOfThatPartitionAlone) {
  Lease lease = LeaseOf(0);
  lease.hints = {1, 1};  // Wrong: the second server has nothing.
  Begin(std::move(lease));
  PushFirst();
  ASSERT_THAT(first_, SizeIs(2));
  Answer(first_[0], Verdict::kApplied, 2);
  Answer(first_[1], Verdict::kGap, 0);
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
  Computed();
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, kB);
  EXPECT_EQ(pushes_[0].request.sequence, 1);
}

TEST_F(TrainingCoreTest, ABrokenStreamBeginsANewIncarnation) {
  Begin(LeaseOf(0));
  PushFirst();
  On([&](auto* out) { core_.OnPushFailed(first_[1].id, {}, now_, out); });
  Answer(first_[0], Verdict::kApplied, 1);
  Computed();  // The second: the first server alone is there.
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, kA);
  Tick(absl::Seconds(1));
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 0);
  EXPECT_EQ(pushes_[0].id.server, kB);
  EXPECT_EQ(pushes_[0].request.incarnation, first_[1].request.incarnation + 1);
  EXPECT_EQ(pushes_[0].request.sequence, 0);
}

// Bug: a message over a limit was sent again for ever, and the job never
// trained.
TEST_F(TrainingCoreTest, AMessageOverALimitEndsTheItemsWithItsReason) {
  const absl::Status why = absl::OutOfRangeError("too large");
  Begin(LeaseOf(0));
  ASSERT_THAT(open_pulls_, SizeIs(2));
  On([&](auto* out) {
    core_.OnPullOverLimit(open_pulls_[1].id, why, now_, out);
  });
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  const ItemEnd end = Sent<ItemEnd>()[0];
  EXPECT_EQ(end.end, LeaseEnd::kFailed);
  EXPECT_TRUE(end.over_limit);
  EXPECT_EQ(end.error, "a pull from ps 1 at here: too large");
  EXPECT_GE(end.position, end.failed_end);  // No batch is to blame.
  open_pulls_.clear();
  Tick(absl::Seconds(60));
  EXPECT_THAT(open_pulls_, IsEmpty());
}

TEST_F(TrainingCoreTest, APushOverALimitIsNotSentAgain) {
  Begin(LeaseOf(0));
  PushFirst();
  On([&](auto* out) {
    core_.OnPushOverLimit(first_[1].id, absl::OutOfRangeError("too large"),
                          now_, out);
  });
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].error, "a push to ps 1 at here: too large");
  pushes_.clear();
  Tick(absl::Seconds(60));
  EXPECT_THAT(pushes_, IsEmpty());
}

TEST_F(TrainingCoreTest, ANewTermStepsBackAndOldRepliesSayNothing) {
  Begin(LeaseOf(0));
  PushFirst();
  FromScheduler(PlacementOf(6));
  Answer(first_[0], Verdict::kApplied, 1);
  Answer(first_[1], Verdict::kApplied, 1);
  Computed();  // The second, which nobody is ready for now.
  EXPECT_THAT(pushes_, IsEmpty());
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  EXPECT_EQ(pushes_[0].request.begin, 0);  // Nothing of term 5 is believed.
  EXPECT_EQ(pushes_[0].request.segments[0].term, Term(6));
}

// Bug: it was pushed as it had been computed, and passed over elsewhere.
TEST_F(TrainingCoreTest, ABatchThatIsToBeSkippedMeanwhileIsPassedOver) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  Lease lease = LeaseOf(0);
  lease.skipped = {{lease.item, 0, 1}};
  FromScheduler(std::move(lease));
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  for (const SendPush& push : pushes_) {
    EXPECT_EQ(push.request.begin, 0);
    EXPECT_TRUE(push.request.skip);
  }
}

TEST_F(TrainingCoreTest, ARefusalForPlacementAsksTheScheduler) {
  Begin(LeaseOf(0));
  PushFirst();
  now_ += absl::Seconds(1);
  Answer(first_[0], Verdict::kWrongPlacement, 0, 8);
  EXPECT_THAT(Sent<PlacementRequest>(), SizeIs(1));
}

TEST_F(TrainingCoreTest, ANewerGenerationDropsWhatIsHeldOfTheOlder) {
  Begin(LeaseOf(0));
  PushFirst();
  Answer(first_[0], Verdict::kWrongGeneration, 0, 5, 2);
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kReturned);
  EXPECT_THAT(core_.held(record_->id), IsEmpty());
}

// Bug: what a server refuses as of another generation it does not count, and
// held the worker's next pushes until it gave the missing one up.
TEST_F(TrainingCoreTest, ANewGenerationBeginsANewSequenceOfPushes) {
  Begin(LeaseOf(0));
  PushFirst();
  EXPECT_EQ(first_[0].request.incarnation, 0);
  FromScheduler(LeaseOf(0, 2));
  FromScheduler(PlacementOf(6, 2));
  Computed();  // Of the generation before.
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  for (const SendPush& push : pushes_) {
    EXPECT_EQ(push.request.generation, Generation(2));
    EXPECT_GT(push.request.incarnation, 0);
    EXPECT_EQ(push.request.sequence, 0);
  }
}

TEST_F(TrainingCoreTest, ARefusalByAnOlderGenerationBeginsANewSequenceToo) {
  Begin(LeaseOf(0));
  PushFirst();
  Answer(first_[1], Verdict::kApplied, 1);
  Answer(first_[0], Verdict::kWrongGeneration, 0, 0, 0);
  FromScheduler(PlacementOf(6));
  Computed();
  AnswerPulls();
  Computed();
  ASSERT_FALSE(pushes_.empty());
  EXPECT_EQ(pushes_[0].id.server, kA);
  EXPECT_GT(pushes_[0].request.incarnation, 0);
  EXPECT_EQ(pushes_[0].request.sequence, 0);
}

// Bug: who had heard of a rollback that the scheduler and all servers lost
// handed back every lease of the generation that they went on with.
TEST_F(TrainingCoreTest, FollowsASchedulerThatForgotTheNewestGeneration) {
  Begin(LeaseOf(0));
  FromScheduler(PlacementOf(6, 2));
  FromScheduler(LeaseOf(1));
  FromScheduler(PlacementOf(7));
  EXPECT_THAT(Sent<ItemEnd>(), IsEmpty());
  EXPECT_THAT(core_.held(record_->id), ElementsAre(ItemId{0, 1}));
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  EXPECT_EQ(pushes_[0].request.generation, Generation(1));
}

TEST_F(TrainingCoreTest, WhoLeavesSaysThatItTakesNothingMore) {
  Begin(LeaseOf(0));
  On([&](auto* out) { core_.Drain(now_, out); });
  ASSERT_THAT(Sent<LeaseRequest>(), SizeIs(1));
  EXPECT_EQ(Sent<LeaseRequest>()[0].items, 0);
  On([&](auto* out) { core_.Drain(now_, out); });
  EXPECT_THAT(Sent<LeaseRequest>(), IsEmpty());  // It said so.
  // A scheduler that comes back has not heard it.
  core_.OnSchedulerDisconnected();
  Connect();
  ASSERT_THAT(Sent<LeaseRequest>(), SizeIs(1));
  EXPECT_EQ(Sent<LeaseRequest>()[0].items, 0);
}

// Items of the fixture have two batches.
class ReadsAheadTest : public TrainingCoreTest {
 protected:
  ReadsAheadTest()
      : TrainingCoreTest({.session = kMe, .held_items = 1, .held_batches = 4}) {
  }
};

TEST_F(ReadsAheadTest, LeasesItemsUntilItHoldsTheBatches) {
  Connect();
  FromScheduler(LeaseOf(0));
  ASSERT_THAT(Sent<LeaseRequest>(), SizeIs(1));
  EXPECT_EQ(Sent<LeaseRequest>()[0].items, 1);
  FromScheduler(LeaseOf(1));
  EXPECT_THAT(Sent<LeaseRequest>(), IsEmpty());
}

TEST_F(ReadsAheadTest, LeavesTheItemsOfARoundToOthers) {
  Use({.kind = ConsistencyKind::kRounds, .round_items = 3});
  Connect();
  FromScheduler(LeaseOf(0));
  EXPECT_THAT(Sent<LeaseRequest>(), IsEmpty());
}

TEST_F(TrainingCoreTest, PullsForBatchesAskForTheJobsEncoding) {
  UseTopK();
  Begin(LeaseOf(0));
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.encoding, Encoding::kInt8);
}

TEST_F(TrainingCoreTest, PushesWhatTheFilterMade) {
  UseTopK();
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(computes_[0].due, ElementsAre(true, true));
  Filtered(true, {true, true});
  ASSERT_THAT(pushes_, SizeIs(2));
  EXPECT_EQ(pushes_[0].request.segments[0].encoding, Encoding::kSparse);
  EXPECT_EQ(pushes_[0].request.segments[0].gradient.size(), 8);
}

// Else what it had left over there would be counted twice, or not at all.
TEST_F(TrainingCoreTest, APartitionThatTheFilterDidNotServeGetsTheBatchLater) {
  UseTopK();
  Begin(LeaseOf(0));
  AnswerPulls();
  Filtered(true, {true, false});
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, kA);
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
  EXPECT_THAT(computes_[0].due, ElementsAre(false, true));
}

TEST_F(TrainingCoreTest, WhoLeavesFirstSendsWhatIsLeftOver) {
  UseTopK();
  Begin(LeaseOf(0));
  const std::vector<SendPull> first = std::exchange(open_pulls_, {});
  for (const SendPull& pull : first) Answer(pull);
  Filtered(true, {true, true});
  const std::vector<SendPush> pushes = pushes_;
  On([&](auto* out) { core_.Drain(now_, out); });
  for (const SendPush& push : pushes) Answer(push, Verdict::kApplied, 1);
  EXPECT_FALSE(core_.Drained());
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 1);
  Filtered(false, {true, true});
  const std::vector<SendPush> last = pushes_;
  EXPECT_THAT(computes_, IsEmpty());
  for (const SendPush& push : last) Answer(push, Verdict::kApplied, 2);
  EXPECT_TRUE(core_.Drained());
}

TEST_F(TrainingCoreTest, AClosedRoundEndsItsLease) {
  Use({.kind = ConsistencyKind::kRounds, .round_items = 1});
  Begin(LeaseOf(0));
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.round, 0);
  Answer(SendPull(pulls_[0]), PullResult::kClosed);
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kRefused);
}

TEST_F(TrainingCoreTest, WaitsForAServerThatDoesNotAnswerBeforeItComputes) {
  Use({.kind = ConsistencyKind::kRounds, .round_items = 1});
  Begin(LeaseOf(0));  // The round's values serve every batch of it.
  PushFirst();
  ASSERT_THAT(first_, SizeIs(2));
  Answer(first_[0], Verdict::kApplied, 1);
  On([&](auto* out) { core_.OnPushFailed(first_[1].id, {}, now_, out); });
  Computed();  // The second.
  EXPECT_THAT(computes_, IsEmpty());
  EXPECT_LE(core_.NextTick(), now_ + absl::Milliseconds(20));
  Tick(absl::Milliseconds(20));
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
}

TEST_F(TrainingCoreTest, AWorkerOutsideTheViewSaysSo) {
  Use({.kind = ConsistencyKind::kSsp, .clock_bound = 1});
  Lease lease = LeaseOf(0);
  lease.joined = ViewNumber(3);
  Begin(lease);
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.stamp.joined, ViewNumber(3));
  Answer(SendPull(pulls_[0]), PullResult::kNotInView, 11);
  ASSERT_THAT(Sent<Progress>(), SizeIs(1));
  EXPECT_TRUE(Sent<Progress>()[0].not_in_view);
  EXPECT_EQ(Sent<Progress>()[0].view_clock, 11);
  lease.joined = ViewNumber(4);
  lease.start_clock = 12;
  FromScheduler(lease);
  EXPECT_EQ(core_.clock(record_->id), 12);
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.stamp.joined, ViewNumber(4));
  EXPECT_EQ(pulls_[0].request.target_clock, 12);
}

// It would hold everybody up at the clock that it has not.
TEST_F(TrainingCoreTest, ASchedulerThatIsBackHearsWhetherItIsInAView) {
  Use({.kind = ConsistencyKind::kSsp, .clock_bound = 1});
  Lease lease = LeaseOf(0);
  Begin(lease);
  Connect();
  ASSERT_THAT(Sent<RegisterWorker>(), SizeIs(1));
  EXPECT_EQ(Sent<RegisterWorker>()[0].clock, -1);
  lease.joined = ViewNumber(4);
  lease.start_clock = 12;
  FromScheduler(lease);
  Connect();
  ASSERT_THAT(Sent<RegisterWorker>(), SizeIs(1));
  EXPECT_EQ(Sent<RegisterWorker>()[0].clock, 12);
}

TEST_F(TrainingCoreTest, AheadIsWhatIsLeftOfTheItemsItHolds) {
  EXPECT_THAT(core_.Ahead(record_->id, 9), IsEmpty());
  Begin(LeaseOf(0));
  FromScheduler(LeaseOf(1));
  EXPECT_THAT(core_.Ahead(record_->id, 9), SizeIs(4));
  AnswerPulls();
  ASSERT_TRUE(core_.computing());
  const auto ahead = core_.Ahead(record_->id, 2);
  ASSERT_THAT(ahead, SizeIs(2));
  EXPECT_EQ(ahead[0].item, (ItemId{0, 0}));
  EXPECT_EQ(ahead[0].begin, 1);
  EXPECT_EQ(ahead[0].end, 2);
  EXPECT_EQ(ahead[1].item, (ItemId{0, 1}));
  EXPECT_EQ(ahead[1].begin, 0);
}

TEST_F(TrainingCoreTest, ABatchThatTakesFarTooLongRenewsNoLease) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_TRUE(core_.computing());
  Tick(absl::Seconds(2));
  EXPECT_THAT(Sent<Progress>(), SizeIs(1));
  Tick(absl::Seconds(2));
  EXPECT_THAT(Sent<Progress>(), IsEmpty());
}

// Bug: a task that took longer than a lease was given to another worker, too.
TEST_F(TrainingCoreTest, ABatchThatTakesStepsRenewsItsLease) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_TRUE(core_.computing());
  for (int64_t steps = 1; steps < 5; ++steps) {
    now_ += absl::Seconds(2);
    core_.NoteSteps(steps, now_);
    Tick(absl::ZeroDuration());
    EXPECT_THAT(Sent<Progress>(), SizeIs(1)) << steps;
  }
  now_ += absl::Seconds(4);
  core_.NoteSteps(4, now_);
  Tick(absl::ZeroDuration());
  EXPECT_THAT(Sent<Progress>(), IsEmpty());
}

class PatientCoreTest : public TrainingCoreTest {
 protected:
  PatientCoreTest()
      : TrainingCoreTest(
            {.session = testing::kMe, .batch_patience = absl::Seconds(10)}) {}
};

// A program may be at anything, with its first batch above all.
TEST_F(PatientCoreTest, ABatchMayTakeAsLongAsTheOwnerAllows) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_TRUE(core_.computing());
  for (int i = 0; i < 4; ++i) {
    Tick(absl::Seconds(2));
    EXPECT_THAT(Sent<Progress>(), SizeIs(1)) << i;
  }
  Tick(absl::Seconds(3));
  EXPECT_THAT(Sent<Progress>(), IsEmpty());
}

TEST_F(TrainingCoreTest, WhatWasPulledGoesWithTheLastLease) {
  Begin(LeaseOf(0));
  AnswerPulls();  // The first batch computes; the next values are there too.
  ASSERT_THAT(computes_, SizeIs(1));
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  Computed();
  EXPECT_THAT(pushes_, IsEmpty());
  FromScheduler(LeaseOf(1));
  EXPECT_THAT(computes_, IsEmpty());
  EXPECT_THAT(pulls_, SizeIs(2));
}

// Bug: a worker remembered every job that it ever had an item of.
TEST_F(TrainingCoreTest, ForgetsJobsThatItHasNothingOf) {
  Begin(LeaseOf(0));
  PushFirst();
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  for (const SendPush& push : first_) Answer(push, Verdict::kApplied, 1);
  Computed();
  const JobRecordPtr first = record_;
  for (uint64_t id = 100; id < 200; ++id) {
    auto record = std::make_shared<JobRecord>(*first);
    record->id = JobId(id);
    record_ = record;
    FromScheduler(LeaseOf(0));
    On([&](auto* out) {
      core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
    });
    FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  }
  EXPECT_LE(core_.jobs(), 16);
  // The first again: no server takes its pushes for those of before.
  record_ = first;
  open_pulls_.clear();
  Begin(LeaseOf(1));
  PushFirst();
  ASSERT_THAT(first_, SizeIs(2));
  EXPECT_GT(first_[0].request.incarnation, 0);
}

TEST_F(TrainingCoreTest, RemembersTheJobsThatItHoldsItemsOf) {
  Begin(LeaseOf(0));
  const JobId first = record_->id;
  for (uint64_t id = 100; id < 200; ++id) {
    auto record = std::make_shared<JobRecord>(*record_);
    record->id = JobId(id);
    record_ = record;
    FromScheduler(LeaseOf(0));
  }
  EXPECT_THAT(core_.held(first), SizeIs(1));
  EXPECT_EQ(core_.jobs(), 101);
}

}  // namespace
}  // namespace ebb::client

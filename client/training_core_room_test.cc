// Workers and servers that have no room for more.
#include "client/testing/training_core_fixture.h"
#include "client/training_core.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kMe;
using ::testing::SizeIs;
using testing::TrainingCoreTest;

// B refused the first batch for want of room; computed again, it is on its way
// as push_, with the second behind it.
class ShortOfRoomTest : public TrainingCoreTest {
 protected:
  void SetUp() override {
    Begin(LeaseOf(0));
    PushFirst();
    Answer(first_[0], Verdict::kApplied, 1);
    Answer(first_[1], Verdict::kBusy, 0);
    Computed();  // The second, which A takes.
    ASSERT_THAT(pushes_, SizeIs(1));
    Answer(pushes_[0], Verdict::kApplied, 2);
    Tick(absl::Seconds(1));
    AnswerPulls();
    Computed();
    ASSERT_THAT(pushes_, SizeIs(1));
    push_ = pushes_[0];
    AnswerPulls();
    Computed();
    // One at a time, until it takes one.
    ASSERT_THAT(pushes_, IsEmpty());
  }

  SendPush push_;
};

TEST_F(ShortOfRoomTest, WhatItRefusesIsSentAgainAndNotComputed) {
  Answer(push_, Verdict::kBusy, 0);
  EXPECT_THAT(pushes_, IsEmpty());  // Not at once.
  Tick(absl::Seconds(1));
  EXPECT_THAT(pulls_, IsEmpty());
  EXPECT_THAT(computes_, IsEmpty());
  ASSERT_THAT(pushes_, SizeIs(1));
  const PushRequest again = pushes_[0].request;
  EXPECT_EQ(again.begin, 0);
  EXPECT_EQ(again.incarnation, push_.request.incarnation + 1);
  EXPECT_EQ(again.sequence, 0);
  EXPECT_EQ(again.segments[0].gradient.size(), 8);

  Answer(pushes_[0], Verdict::kApplied, 1);
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 1);
  EXPECT_EQ(pushes_[0].request.incarnation, again.incarnation);
  EXPECT_EQ(pushes_[0].request.sequence, 1);
  Answer(pushes_[0], Verdict::kApplied, 2);
  EXPECT_THAT(Sent<ItemEnd>(), SizeIs(1));
}

TEST_F(ShortOfRoomTest, ACallThatItHasNoRoomForIsMadeAgain) {
  On([&](auto* out) { core_.OnPushRefused(push_.id, now_, out); });
  EXPECT_THAT(pushes_, IsEmpty());
  Tick(absl::Seconds(1));
  EXPECT_THAT(computes_, IsEmpty());
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 0);
  // It had it.
  Answer(pushes_[0], Verdict::kDuplicate, 1);
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 1);
}

TEST_F(ShortOfRoomTest, AnswersToWhatIsSentAgainSayNothing) {
  Answer(push_, Verdict::kBusy, 0);
  Tick(absl::Seconds(1));
  Answer(push_, Verdict::kApplied, 1);
  EXPECT_THAT(pushes_, IsEmpty());
}

TEST_F(ShortOfRoomTest, WhatALostItemHadOnItsWayIsNotSentAgain) {
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  Answer(push_, Verdict::kBusy, 0);
  Tick(absl::Seconds(1));
  EXPECT_THAT(pushes_, IsEmpty());
}

TEST_F(ShortOfRoomTest, WhatIsToBePassedOverSinceIsPassedOver) {
  Lease lease = LeaseOf(0);
  lease.skipped = {{{0, 0}, 0, 1}};
  FromScheduler(lease);
  Answer(push_, Verdict::kBusy, 0);
  Tick(absl::Seconds(1));
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 0);
  EXPECT_TRUE(pushes_[0].request.skip);
}

TEST_F(ShortOfRoomTest, WhoLeavesDoesNotWaitForIt) {
  On([&](auto* out) { core_.Drain(now_, out); });
  Answer(push_, Verdict::kBusy, 0);
  EXPECT_THAT(Sent<ItemEnd>(), SizeIs(1));
}

// Memory for the least that the job needs: three times its 16 bytes, and an
// eighth.
class LittleMemoryTest : public TrainingCoreTest {
 protected:
  LittleMemoryTest()
      : TrainingCoreTest({.session = kMe, .memory_bytes = kProgramBytes + 54}) {
  }
};

TEST_F(LittleMemoryTest, HasOneBatchUnderWayAndPullsNoneBeside) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(open_pulls_, IsEmpty());

  PushFirst();
  AnswerPulls();
  EXPECT_THAT(computes_, IsEmpty());
  Answer(first_[0], Verdict::kApplied, 1);
  EXPECT_THAT(computes_, IsEmpty());
  Answer(first_[1], Verdict::kApplied, 1);
  EXPECT_THAT(computes_, SizeIs(1));
}

TEST_F(LittleMemoryTest, EvaluatesWhileItHoldsNoValuesForABatch) {
  UseEvaluations();
  Begin(LeaseOf(0));
  AnswerPulls();
  FromScheduler(EvaluationOf(record_));
  EXPECT_THAT(open_pulls_, IsEmpty());

  Computed();
  ASSERT_THAT(open_pulls_, SizeIs(2));
  for (const SendPull& pull : open_pulls_) {
    EXPECT_EQ(pull.request.snapshot, 50);
  }
  AnswerPulls();
  EXPECT_EQ(evaluations_, 1);
  On([&](auto* out) { core_.OnEvaluated(EvaluationResult(), now_, out); });
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.snapshot, 0);
}

TEST_F(LittleMemoryTest, ReturnsTheItemsOfAJobThatDoesNotFit) {
  Connect();
  FromScheduler(LeaseOf(0));
  On([&](auto* out) {
    core_.set_held_bytes(1);
    core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
  });
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kFailed);
  EXPECT_THAT(Sent<ItemEnd>()[0].error,
              HasSubstr("does not fit into this worker's --memory"));
  // A later one is tried: of another job's data there may be less by then.
  FromScheduler(LeaseOf(1));
  On([&](auto* out) {
    core_.set_held_bytes(0);
    core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
  });
  EXPECT_THAT(core_.held(record_->id), SizeIs(1));
}

// One push of a partition is on its way to each server.
class PushWindowCoreTest : public TrainingCoreTest {
 protected:
  PushWindowCoreTest()
      : TrainingCoreTest(
            {.session = kMe, .push_bytes = 1, .push_window_bytes = 1}) {}
};

TEST_F(PushWindowCoreTest, AnAnswerMakesRoomForTheNextPush) {
  Begin(LeaseOf(0));
  PushFirst();
  AnswerPulls();
  Computed();
  EXPECT_THAT(pushes_, IsEmpty());
  Answer(first_[0], Verdict::kApplied, 1);
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, first_[0].id.server);
  EXPECT_EQ(pushes_[0].request.begin, 1);
}

}  // namespace
}  // namespace ebb::client

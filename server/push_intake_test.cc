#include "server/push_intake.h"

#include <memory>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::server {
namespace {

constexpr absl::Duration kHold = absl::Seconds(15);

class PushIntakeTest : public testing::Test {
 protected:
  PendingPushPtr PushOf(uint64_t worker, int64_t sequence,
                        int64_t incarnation = 0) {
    PushRequest request;
    request.stamp.worker = SessionId(worker);
    request.incarnation = incarnation;
    request.sequence = sequence;
    return std::make_shared<PendingPush>(next_token_++, std::move(request),
                                         Generation(1), options_);
  }

  ServerOptions options_;
  PushIntake intake_{4, kHold};
  absl::Time now_ = absl::UnixEpoch();
  uint64_t next_token_ = 1;
};

TEST_F(PushIntakeTest, WorkersDoNotWaitForOneAnother) {
  EXPECT_TRUE(intake_.Arrive(PushOf(1, 1), now_).ready.empty());
  EXPECT_EQ(intake_.Arrive(PushOf(2, 0), now_).ready.size(), 1);
  EXPECT_EQ(intake_.Arrive(PushOf(1, 0), now_).ready.size(), 2);
}

TEST_F(PushIntakeTest, GivesUpWhatASilentWorkerLeft) {
  const PendingPushPtr silent = PushOf(1, 1), lively = PushOf(2, 1);
  intake_.Arrive(silent, now_);
  intake_.Arrive(lively, now_ + kHold / 2);
  EXPECT_EQ(intake_.NextTick(), now_ + kHold);
  EXPECT_TRUE(intake_.GiveUp(now_ + kHold / 2).empty());
  EXPECT_THAT(intake_.GiveUp(now_ + kHold), testing::ElementsAre(silent));
  EXPECT_EQ(intake_.NextTick(), now_ + kHold + kHold / 2);
  EXPECT_THAT(intake_.GiveUp(intake_.NextTick()), testing::ElementsAre(lively));
}

TEST_F(PushIntakeTest, NothingIsGivenUpOnceTheMissingPushCame) {
  intake_.Arrive(PushOf(1, 1), now_);
  EXPECT_EQ(intake_.Arrive(PushOf(1, 0), now_).ready.size(), 2);
  EXPECT_TRUE(intake_.GiveUp(now_ + kHold).empty());
}

TEST_F(PushIntakeTest, ForgetsWorkersThatAreGone) {
  for (uint64_t worker = 1; worker <= 100; ++worker) {
    intake_.Arrive(PushOf(worker, 0), now_);
  }
  now_ += absl::Minutes(59);
  intake_.Arrive(PushOf(7, 1), now_);
  now_ += absl::Minutes(2);
  EXPECT_TRUE(intake_.GiveUp(now_).empty());
  EXPECT_EQ(intake_.workers(), 1);
  // It is still in order, and one that was forgotten may begin anew.
  EXPECT_EQ(intake_.Arrive(PushOf(7, 2), now_).ready.size(), 1);
  EXPECT_EQ(intake_.Arrive(PushOf(8, 0, 1), now_).ready.size(), 1);
  // Bug: it was held for pushes that were applied long ago.
  EXPECT_EQ(intake_.Arrive(PushOf(9, 5), now_).superseded.size(), 1);
}

TEST_F(PushIntakeTest, DrainsInTheOrderOfWorkers) {
  const PendingPushPtr a = PushOf(1, 1), b = PushOf(2, 1), c = PushOf(3, 1);
  intake_.Arrive(c, now_);
  intake_.Arrive(a, now_);
  intake_.Arrive(b, now_);
  EXPECT_THAT(intake_.Drain(), testing::ElementsAre(a, b, c));
  EXPECT_EQ(intake_.workers(), 0);
  EXPECT_EQ(intake_.NextTick(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace ebb::server

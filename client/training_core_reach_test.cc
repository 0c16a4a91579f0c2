// Tests what a worker says and does while it does not reach a server.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/testing/training_core_fixture.h"
#include "client/training_core.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kA;
using testing::kB;
using testing::kMe;
using ::testing::Not;
using ::testing::SizeIs;

const CallFailure kNoName{CallCause::kName, "the name b does not resolve"};

class ReachTest : public testing::TrainingCoreTest {
 protected:
  // Every call to B that is under way ends so; those to A are answered.
  void FailCallsToB(const CallFailure& why = kNoName) {
    for (const SendPull& pull : std::exchange(open_pulls_, {})) {
      if (pull.id.server == kA) {
        Answer(pull);
      } else {
        On([&](auto* out) { core_.OnPullFailed(pull.id, why, now_, out); });
        Keep();
      }
    }
  }
  void Keep() {
    for (const PlacementRequest& one : Sent<PlacementRequest>()) {
      requests_.push_back(one);
    }
    lines_.insert(lines_.end(), logged_.begin(), logged_.end());
  }
  // Time passes in which no call to B succeeds.
  void FailFor(absl::Duration time, const CallFailure& why = kNoName) {
    for (const absl::Time end = now_ + time; now_ < end;) {
      FailCallsToB(why);
      Tick(absl::Milliseconds(50));
      Keep();
    }
  }
  // All is answered but a push to B, which fails.
  void FailNextPushToB(const CallFailure& why) {
    std::optional<PushId> push;
    for (int i = 0; i < 1000; ++i) {
      Keep();
      for (const SendPush& one : pushes_) {
        if (one.id.server == kB && !push) push = one.id;
      }
      if (!computes_.empty()) {
        Computed();
      } else if (push) {
        break;
      } else if (!open_pulls_.empty()) {
        const SendPull pull = open_pulls_.front();
        open_pulls_.erase(open_pulls_.begin());
        Answer(pull);
      } else {
        Tick(absl::Milliseconds(10));
      }
    }
    ASSERT_TRUE(push.has_value());
    On([&](auto* out) { core_.OnPushFailed(*push, why, now_, out); });
    Keep();
  }
  // Each pull from B for some time, by what is at B's address; those from A as
  // usual. The scheduler places the job whenever it is asked to, unless it is
  // away.
  void AnsweredBy(ServerId server, SessionId session, absl::Duration time,
                  bool scheduler_is_away = false) {
    for (const absl::Time end = now_ + time; now_ < end;) {
      for (const SendPull& pull : std::exchange(open_pulls_, {})) {
        if (pull.id.server == kA) {
          Answer(pull);
          continue;
        }
        PullReply reply;
        reply.job = record_->id;
        reply.generation = pull.request.generation;
        reply.server = server;
        reply.server_session = session;
        reply.worker = kMe;
        for (const PullSegmentRequest& segment : pull.request.segments) {
          PullSegment& one = reply.segments.emplace_back();
          one.partition = segment.partition;
          one.result = PullResult::kWrongPlacement;
        }
        On([&](auto* out) { core_.OnPullReply(pull.id, reply, now_, out); });
        Keep();
      }
      Tick(absl::Milliseconds(50));
      Keep();
      const bool asked = requests_.size() > placed_;
      placed_ = requests_.size();
      if (asked && !scheduler_is_away) FromScheduler(PlacementOf(5));
    }
  }
  int64_t WrongServers() const {
    return core_.failed_calls()[static_cast<int>(CallCause::kWrongServer)];
  }
  void LoseLease() {
    FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
    Keep();
  }

  std::vector<PlacementRequest> requests_;
  std::vector<std::string> lines_;
  size_t placed_ = 0;  // Requests that were answered.
};

constexpr ServerId kOfAnotherCluster(4);
constexpr SessionId kItsSession(777), kOfB(101), kOfTheNextB(202);

TEST_F(ReachTest, ABriefFailureIsNothingToTell) {
  Begin(LeaseOf(0));
  FailFor(absl::Milliseconds(500));
  for (const PlacementRequest& one : requests_) {
    EXPECT_THAT(one.unreached, IsEmpty());
  }
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_EQ(core_.UnreachedServers(now_), 0);
}

// Bug: the worker's log had no line in 100 s, and nobody else knew the cause.
TEST_F(ReachTest, TheCauseIsToldAndLogged) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(3));

  ASSERT_THAT(requests_.back().unreached, SizeIs(1));
  const PeerTrouble& trouble = requests_.back().unreached[0];
  EXPECT_EQ(trouble.server, kB);
  EXPECT_EQ(trouble.session, SessionId(101));
  EXPECT_EQ(trouble.address, "here");
  EXPECT_EQ(trouble.why.cause, CallCause::kName);
  EXPECT_EQ(trouble.why.text, kNoName.text);
  EXPECT_GE(trouble.lasts, absl::Seconds(1));
  EXPECT_GT(trouble.attempts, 3);
  EXPECT_FALSE(requests_.back().goes_on);
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_THAT(lines_[0], HasSubstr("server=1 at here cannot be reached"));
  EXPECT_THAT(lines_[0], HasSubstr("the name b does not resolve"));
  EXPECT_THAT(lines_[0], HasSubstr("--advertise"));
  EXPECT_EQ(core_.UnreachedServers(now_), 1);
  EXPECT_GT(core_.failed_calls()[static_cast<int>(CallCause::kName)], 3);
}

TEST_F(ReachTest, TheLogIsToldEverMoreRarely) {
  Begin(LeaseOf(0));
  FailFor(absl::Minutes(10));
  EXPECT_THAT(lines_, SizeIs(6));  // At 1, 11, 31, 71, 151 and 311 s.
}

const CallFailure kLate{CallCause::kNoAnswer, "it does not answer in time"};

// Bug: one call that was not answered in time cut the worker off, though the
// server was slow and nothing more.
TEST_F(ReachTest, OneSlowAnswerIsNothingToTell) {
  Begin(LeaseOf(0));
  now_ += absl::Seconds(10);
  FailCallsToB(kLate);
  // It asks the server, beside the pull that it repeats.
  std::vector<SendPull> to_b;
  while (to_b.size() < 2) {
    Tick(absl::Milliseconds(10));
    for (const SendPull& pull : std::exchange(open_pulls_, {})) {
      if (pull.id.server == kB) {
        to_b.push_back(pull);
      } else {
        Answer(pull);
      }
    }
    Keep();
  }
  for (const SendPull& pull : to_b) {
    if (!pull.request.segments.empty()) continue;
    EXPECT_LE(pull.timeout, absl::Seconds(3));
    Answer(pull);
  }
  Tick(absl::Seconds(5));
  Keep();
  for (const PlacementRequest& one : requests_) {
    EXPECT_THAT(one.unreached, IsEmpty());
  }
  EXPECT_THAT(lines_, IsEmpty());
  for (const SendPull& pull : open_pulls_) {
    EXPECT_THAT(pull.request.segments, Not(IsEmpty())) << "asks no more";
  }
}

TEST_F(ReachTest, APathThatIsDeadIsToldAfterASecondCall) {
  Begin(LeaseOf(0));
  now_ += absl::Seconds(10);
  FailCallsToB(kLate);
  FailFor(absl::Seconds(3), kLate);
  ASSERT_FALSE(requests_.empty());
  EXPECT_THAT(requests_.back().unreached, SizeIs(1));
  EXPECT_THAT(lines_, SizeIs(1));
  // Bug: it was reached, as far as anybody knew, since the next call failed for
  // another cause.
  Tick(absl::Milliseconds(100));
  FailCallsToB({CallCause::kRefused, "Connection refused"});
  EXPECT_THAT(requests_.back().unreached, SizeIs(1));
}

// What is small is answered, and what is large never.
TEST_F(ReachTest, APathThatTakesOnlyQuestionsIsToldToo) {
  Begin(LeaseOf(0));
  for (const absl::Time end = now_ + absl::Seconds(25); now_ < end;) {
    for (const SendPull& pull : std::exchange(open_pulls_, {})) {
      if (pull.id.server == kA || pull.request.segments.empty()) {
        Answer(pull);
      } else {
        now_ += absl::Seconds(10);
        On([&](auto* out) { core_.OnPullFailed(pull.id, kLate, now_, out); });
        Keep();
      }
    }
    Tick(absl::Milliseconds(50));
    Keep();
  }
  ASSERT_FALSE(requests_.empty());
  EXPECT_THAT(requests_.back().unreached, SizeIs(1));
}

// Bug: each push that failed was the first one, for pulls were answered between
// them: the worker kept its leases for ever, and told nothing.
TEST_F(ReachTest, APathThatTakesNoPushesIsToldToo) {
  Begin(LeaseOf(0));
  FailNextPushToB(kLate);
  for (const PlacementRequest& one : requests_) {
    EXPECT_THAT(one.unreached, IsEmpty());
  }
  now_ += absl::Seconds(10);
  FailNextPushToB(kLate);
  ASSERT_FALSE(requests_.empty());
  EXPECT_THAT(requests_.back().unreached, SizeIs(1));
}

// This happens if a firewall ends each connection that carries much.
TEST_F(ReachTest, APathThatClosesOnPushesIsToldToo) {
  const CallFailure closed{CallCause::kClosed, "Socket closed"};
  Begin(LeaseOf(0));
  FailNextPushToB(closed);
  now_ += absl::Seconds(4);
  FailNextPushToB(closed);
  for (const PlacementRequest& one : requests_) {
    EXPECT_THAT(one.unreached, IsEmpty());
  }
  now_ += absl::Seconds(6);
  FailNextPushToB(closed);
  ASSERT_FALSE(requests_.empty());
  EXPECT_THAT(requests_.back().unreached, SizeIs(1));
}

// Bug: the log said that the server was there again.
TEST_F(ReachTest, AServerWhosePartitionsMovedIsNotNeeded) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(2));
  ASSERT_THAT(lines_, SizeIs(1));
  Placement placement = PlacementOf(6);
  placement.partitions[1].server = placement.partitions[0].server;
  placement.partitions[1].server_session =
      placement.partitions[0].server_session;
  FromScheduler(placement);
  Keep();
  EXPECT_THAT(lines_.back(), HasSubstr("server=1 is not needed any more"));
  EXPECT_EQ(core_.UnreachedServers(now_), 0);
}

// Bug: a worker that was preparing the job anew never found out that the server
// answers.
TEST_F(ReachTest, WhatIsNotReadyAsksTheServerToo) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(2));
  JobRecord changed = *record_;
  changed.specification += " ";
  Lease lease = LeaseOf(0);
  lease.record = std::make_shared<const JobRecord>(changed);
  FromScheduler(lease);
  open_pulls_.clear();
  for (int i = 0; i < 400 && open_pulls_.empty(); ++i) {
    Tick(absl::Milliseconds(50));
  }
  ASSERT_FALSE(open_pulls_.empty());
  EXPECT_THAT(open_pulls_[0].request.segments, IsEmpty());
}

// It holds nothing any more, and would never find out otherwise.
TEST_F(ReachTest, WithoutALeaseItAsksTheServerAndSaysWhenItAnswers) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(2));
  LoseLease();
  FailFor(absl::Seconds(8));
  ASSERT_THAT(requests_.back().unreached, SizeIs(1));
  requests_.clear();

  while (open_pulls_.empty()) Tick(absl::Milliseconds(50));
  ASSERT_THAT(open_pulls_, SizeIs(1));
  EXPECT_EQ(open_pulls_[0].id.server, kB);
  EXPECT_THAT(open_pulls_[0].request.segments, IsEmpty());
  AnswerPulls();
  Keep();

  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_THAT(requests_[0].unreached, IsEmpty());
  EXPECT_THAT(lines_.back(), HasSubstr("server=1 is there again"));
  EXPECT_EQ(core_.UnreachedServers(now_), 0);
  Tick(absl::Minutes(1));
  EXPECT_THAT(open_pulls_, IsEmpty()) << "and asks no more";
}

// Bug: it would never have asked again.
TEST_F(ReachTest, AServerWhoseAnswerIsOverALimitAnswers) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(2));
  LoseLease();
  FailFor(absl::Seconds(8));
  requests_.clear();
  while (open_pulls_.empty()) Tick(absl::Milliseconds(50));
  const PullId id = open_pulls_[0].id;
  open_pulls_.clear();
  On([&](auto* out) {
    core_.OnPullOverLimit(id, absl::OutOfRangeError("too large"), now_, out);
  });
  Keep();
  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_THAT(requests_[0].unreached, IsEmpty());
}

TEST_F(ReachTest, ItAsksWithPausesOfSecondsAtMost) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(2));
  LoseLease();
  int asked = 0;
  for (const absl::Time end = now_ + absl::Minutes(2); now_ < end;) {
    asked += static_cast<int>(open_pulls_.size());
    FailCallsToB();
    Tick(absl::Milliseconds(50));
  }
  EXPECT_GE(asked, 20);
  EXPECT_LE(asked, 40);
}

TEST_F(ReachTest, AnotherLifeOfTheServerIsNewsToo) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(2));
  requests_.clear();
  Placement placement = PlacementOf(6);
  placement.partitions[1].server_session = SessionId(202);
  FromScheduler(placement);
  Keep();
  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_THAT(requests_[0].unreached, IsEmpty());
}

TEST_F(ReachTest, ANewSchedulerIsToldAnew) {
  Begin(LeaseOf(0));
  FailFor(absl::Seconds(2));
  core_.OnSchedulerDisconnected();
  Connect();
  requests_.clear();
  FailFor(absl::Seconds(1));
  ASSERT_FALSE(requests_.empty());
  EXPECT_THAT(requests_.back().unreached, SizeIs(1));
}

// Bug: a server that advertised the address of another cluster's server was
// asked for ever, and nobody was told.
TEST_F(ReachTest, AServerOfAnotherClusterIsTold) {
  Begin(LeaseOf(0));
  AnsweredBy(kOfAnotherCluster, kItsSession, absl::Milliseconds(4900));
  EXPECT_EQ(WrongServers(), 0);
  EXPECT_EQ(core_.UnreachedServers(now_), 0);
  AnsweredBy(kOfAnotherCluster, kItsSession, absl::Seconds(3));

  ASSERT_FALSE(requests_.empty());
  ASSERT_THAT(requests_.back().unreached, SizeIs(1));
  const PeerTrouble& trouble = requests_.back().unreached[0];
  EXPECT_EQ(trouble.server, kB);
  EXPECT_EQ(trouble.session, kOfB);
  EXPECT_EQ(trouble.why.cause, CallCause::kWrongServer);
  EXPECT_EQ(trouble.why.text,
            "another server answers at here: it says that it is server 4, "
            "session 777, and the scheduler expects server 1, session 101; the "
            "--advertise of server 1 names the wrong address");
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_THAT(lines_[0], HasSubstr("server=1 at here cannot be reached"));
  EXPECT_THAT(lines_[0], HasSubstr("another server answers at here"));
  EXPECT_THAT(lines_[0], HasSubstr("an --advertise of its own"));
  EXPECT_EQ(core_.UnreachedServers(now_), 1);
  EXPECT_GT(WrongServers(), 1);

  AnsweredBy(kOfAnotherCluster, kItsSession, absl::Minutes(1));
  EXPECT_THAT(lines_, SizeIs(3)) << "told ever more rarely";
}

// Its servers have the same numbers.
TEST_F(ReachTest, AServerOfTheSameNumberIsToldLater) {
  Begin(LeaseOf(0));
  AnsweredBy(kB, kItsSession, absl::Seconds(19));
  EXPECT_EQ(WrongServers(), 0);
  AnsweredBy(kB, kItsSession, absl::Seconds(4));
  ASSERT_FALSE(requests_.empty());
  EXPECT_THAT(requests_.back().unreached, SizeIs(1));
}

TEST_F(ReachTest, AWrongServerIsToldWithoutALeaseToo) {
  Begin(LeaseOf(0));
  AnsweredBy(kOfAnotherCluster, kItsSession, absl::Seconds(8));
  LoseLease();
  AnsweredBy(kOfAnotherCluster, kItsSession, absl::Minutes(1));
  ASSERT_THAT(requests_.back().unreached, SizeIs(1));

  AnsweredBy(kB, kOfB, absl::Seconds(6));
  EXPECT_THAT(requests_.back().unreached, IsEmpty());
  EXPECT_THAT(lines_.back(), HasSubstr("server=1 is there again"));
  EXPECT_EQ(core_.UnreachedServers(now_), 0);
}

// The pulls do not say who answers them.
TEST_F(ReachTest, AWrongServerThatAnswersPushesIsTold) {
  Begin(LeaseOf(0));
  std::deque<SendPush> open;
  const auto collect = [&] {
    Keep();
    for (SendPush& push : pushes_) open.push_back(std::move(push));
  };
  for (const absl::Time end = now_ + absl::Seconds(8); now_ < end;) {
    AnswerPulls();
    collect();
    if (core_.computing()) {
      Computed();
      collect();
    }
    while (!open.empty()) {
      const SendPush push = open.front();
      open.pop_front();
      PushReply reply;
      reply.job = record_->id;
      reply.generation = push.request.generation;
      reply.worker = kMe;
      reply.item = push.request.item;
      const bool to_a = push.id.server == kA;
      reply.server = to_a ? kA : kOfAnotherCluster;
      reply.server_session = to_a ? SessionId(100) : kItsSession;
      for (const PushSegment& segment : push.request.segments) {
        reply.segments.push_back(
            {segment.partition,
             to_a ? Verdict::kApplied : Verdict::kWrongPlacement,
             to_a ? push.request.end : 0, to_a ? Term(5) : Term()});
      }
      On([&](auto* out) { core_.OnPushReply(push.id, reply, now_, out); });
      collect();
    }
    FromScheduler(PlacementOf(5));
    collect();
    Tick(absl::Milliseconds(50));
    collect();
  }
  EXPECT_GT(WrongServers(), 0);
}

// The scheduler is away, and does not say which life the server has now.
TEST_F(ReachTest, AServerThatRestartedIsNoWrongServer) {
  Begin(LeaseOf(0));
  AnsweredBy(kB, kOfTheNextB, absl::Minutes(1), /*scheduler_is_away=*/true);
  Placement placement = PlacementOf(6);
  placement.partitions[1].server_session = kOfTheNextB;
  FromScheduler(placement);
  AnsweredBy(kB, kOfTheNextB, absl::Seconds(1), /*scheduler_is_away=*/true);
  EXPECT_EQ(WrongServers(), 0);
  EXPECT_THAT(lines_, IsEmpty());
}

}  // namespace
}  // namespace ebb::client

// Pulls begin just in time for their batch.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "client/testing/training_core_fixture.h"
#include "client/training_core.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TrainingCoreTest;

constexpr absl::Duration kMs = absl::Milliseconds(1);
constexpr absl::Duration kBatch = absl::Milliseconds(20);

// Batches take 20 ms. Other workers push one update a millisecond.
class PullStartCoreTest : public TrainingCoreTest {
 protected:
  PullStartCoreTest() {
    Change([](JobPlan* plan) { plan->examples = plan->shard_size = 1000; });
  }

  template <typename How>
  void Change(How how) {
    auto record = std::make_shared<JobRecord>(*record_);
    how(&record->plan);
    record_ = record;
  }
  int64_t Updates() const { return (now_ - start_) / kMs; }

  // Time passes, with ticks when they are wanted, until there is a pull or
  // `end` has come.
  void RunUntil(absl::Time end) {
    while (open_pulls_.empty() && core_.NextTick() <= end) {
      Tick(std::max(core_.NextTick() - now_, absl::ZeroDuration()));
    }
    if (open_pulls_.empty()) now_ = end;
  }
  // Both servers answer after so long with the values as they are then.
  void AnswerPullsAfter(absl::Duration pull) {
    now_ += pull;
    for (const SendPull& request : std::exchange(open_pulls_, {})) {
      PullReply reply;
      reply.job = record_->id;
      reply.generation = request.request.generation;
      reply.worker = testing::kMe;
      for (const PullSegmentRequest& segment : request.request.segments) {
        PullSegment& one = reply.segments.emplace_back();
        one.partition = segment.partition;
        one.term = segment.term;
        one.updates = Updates();
      }
      On([&](auto* out) { core_.OnPullReply(request.id, reply, now_, out); });
      KeepBatch();
    }
  }
  // The batch under way is computed, and its pushes are applied at once.
  void EndBatch() {
    Computed();
    KeepBatch();
    AnswerPushes();
  }
  void AnswerPushes() {
    for (const SendPush& push : std::exchange(pushes_, {})) {
      Answer(push, Verdict::kApplied, push.request.end);
      KeepBatch();
    }
  }
  // One batch. The pushes of the one before are answered `push` after its
  // begin, and the pull for the next, which is longer, so long after its own.
  // Returns how long after the batch the pull began.
  absl::Duration OneBatchWithPushes(absl::Duration push, absl::Duration pull) {
    const absl::Time end = begun_ + kBatch;
    const bool at_once = !open_pulls_.empty();
    now_ += push;
    AnswerPushes();
    AnswerPullsAfter(at_once ? pull - push : pull);
    now_ = end;
    Computed();
    KeepBatch();
    return at_once ? absl::ZeroDuration() : push;
  }
  void KeepBatch() {
    if (!computes_.empty()) {
      batch_ = computes_.back();
      begun_ = now_;
    }
  }
  // One batch, and the pull for the next. Returns how long after the batch the
  // pull began.
  absl::Duration OneBatch(absl::Duration pull) {
    const absl::Time end = begun_ + kBatch;
    RunUntil(end);
    const absl::Duration after = now_ - begun_;
    const absl::Duration rest = now_ + pull - end;
    const bool in_time = rest <= absl::ZeroDuration();
    if (in_time) AnswerPullsAfter(pull);
    now_ = end;
    EndBatch();
    if (!in_time) AnswerPullsAfter(rest);
    return after;
  }
  // It computes the first batch.
  void BeginFirst(absl::Duration pull, Lease lease) {
    Begin(std::move(lease));
    AnswerPullsAfter(pull);
  }
  void BeginFirst(absl::Duration pull) { BeginFirst(pull, LeaseOf(0)); }
  // Until enough is known, and a batch has begun since.
  void Learn(absl::Duration pull = 3 * kMs) {
    BeginFirst(pull);
    for (int i = 0; i < 20; ++i) OneBatch(pull);
  }

  const absl::Time start_ = now_;
  ComputeTask batch_;  // The last that was begun, and when.
  absl::Time begun_;
};

TEST_F(PullStartCoreTest, ValuesAreFreshWhenTheirBatchBegins) {
  BeginFirst(3 * kMs);
  EXPECT_EQ(OneBatch(3 * kMs), absl::ZeroDuration());
  // Pulled with the batch before.
  EXPECT_EQ(Updates() - batch_.values->updates[0], 17);
  for (int i = 0; i < 20; ++i) OneBatch(3 * kMs);
  EXPECT_EQ(OneBatch(3 * kMs), 16 * kMs);
  EXPECT_EQ(Updates() - batch_.values->updates[0], 1);
  EXPECT_EQ(begun_, now_);  // It did not wait for them.
}

TEST_F(PullStartCoreTest, ValuesTellWhetherABatchWasComputedMeanwhile) {
  Learn();
  EXPECT_TRUE(batch_.values->during_batch);
  ASSERT_THAT(open_pulls_, IsEmpty());
  now_ = begun_ + 5 * kMs;
  EndBatch();
  AnswerPullsAfter(3 * kMs);
  EXPECT_FALSE(batch_.values->during_batch);
}

TEST_F(PullStartCoreTest, PullsBeginAtOnceWhereTheyTakeAsLong) {
  BeginFirst(25 * kMs);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(OneBatch(25 * kMs), absl::ZeroDuration());
  }
}

TEST_F(PullStartCoreTest, AWorkerPullsWhatItPushedIfThereIsTime) {
  BeginFirst(15 * kMs);
  for (int i = 0; i < 20; ++i) OneBatchWithPushes(3 * kMs, 15 * kMs);
  EXPECT_EQ(OneBatchWithPushes(3 * kMs, 15 * kMs), 3 * kMs);
  EXPECT_EQ(OneBatchWithPushes(5 * kMs, 15 * kMs), 5 * kMs);
}

TEST_F(PullStartCoreTest, NoPullWaitsForPushesThatAreAnsweredLate) {
  BeginFirst(15 * kMs);
  for (int i = 0; i < 20; ++i) OneBatchWithPushes(6 * kMs, 15 * kMs);
  EXPECT_EQ(OneBatchWithPushes(6 * kMs, 15 * kMs), absl::ZeroDuration());
}

TEST_F(PullStartCoreTest, APushThatIsNotAnsweredDelaysOnePull) {
  BeginFirst(15 * kMs);
  for (int i = 0; i < 20; ++i) OneBatchWithPushes(3 * kMs, 15 * kMs);
  ASSERT_THAT(open_pulls_, IsEmpty());
  EXPECT_GT(core_.NextTick(), begun_ + kBatch);
  now_ = begun_ + kBatch;
  Computed();  // The next batch has no values yet.
  EXPECT_THAT(open_pulls_, SizeIs(2));
}

TEST_F(PullStartCoreTest, ABatchThatEndsEarlyPullsAtOnce) {
  Learn();
  ASSERT_THAT(open_pulls_, IsEmpty());
  now_ = begun_ + 5 * kMs;
  EndBatch();
  EXPECT_THAT(open_pulls_, SizeIs(2));
}

TEST_F(PullStartCoreTest, ATickThatIsLateMakesTheNextPullsBeginEarlier) {
  Learn();
  const absl::Time end = begun_ + kBatch;
  ASSERT_EQ(core_.NextTick(), begun_ + 16 * kMs);
  Tick(begun_ + 18 * kMs - now_);
  AnswerPullsAfter(2 * kMs);
  now_ = end;
  EndBatch();
  EXPECT_EQ(OneBatch(3 * kMs), 15 * kMs);
}

TEST_F(PullStartCoreTest, OnePullServesTheBatchesOfARound) {
  Change([](JobPlan* plan) {
    plan->shard_size = 1000;
    plan->consistency = {.kind = ConsistencyKind::kRounds, .round_items = 1};
  });
  BeginFirst(3 * kMs);
  // An item is a round here.
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(open_pulls_, IsEmpty());
    now_ += kBatch;
    EndBatch();
  }
}

TEST_F(PullStartCoreTest, ThePullBeginsAtOnceWhileAServerIsAway) {
  Learn();
  now_ = begun_ + kBatch - 4 * kMs;
  RunUntil(now_);
  AnswerPullsAfter(3 * kMs);
  now_ = begun_ + kBatch;
  Computed();
  KeepBatch();
  ASSERT_THAT(open_pulls_, IsEmpty());
  ASSERT_THAT(pushes_, SizeIs(2));
  On([&, id = pushes_[0].id](auto* out) {
    core_.OnPushFailed(id, {}, now_, out);
  });
  EXPECT_THAT(open_pulls_, SizeIs(1));  // From the other.
}

TEST_F(PullStartCoreTest, OneThatLeavesDoesNotPullAnyMore) {
  Learn();
  On([&](auto* out) { core_.Drain(now_, out); });
  RunUntil(begun_ + kBatch);
  EXPECT_THAT(open_pulls_, IsEmpty());
  EXPECT_GT(core_.NextTick(), now_);
  EndBatch();
  EXPECT_TRUE(core_.Drained());
}

TEST_F(PullStartCoreTest, AfterARollbackItPullsAtOnce) {
  Learn();
  FromScheduler(PlacementOf(6, 2));
  FromScheduler(LeaseOf(0, 2));
  ASSERT_THAT(open_pulls_, SizeIs(2));
  EXPECT_EQ(open_pulls_[0].request.generation, Generation(2));
}

// The job is prepared anew for a while, and nothing looks at what is due.
TEST_F(PullStartCoreTest, APullThatWasDueBeforeTheJobChangedIsForgotten) {
  Learn();
  ASSERT_EQ(core_.NextTick(), begun_ + 16 * kMs);
  auto changed = std::make_shared<JobRecord>(*record_);
  changed->specification = "changed";
  record_ = changed;
  FromScheduler(LeaseOf(0, 2));
  now_ = begun_ + kBatch;
  Computed();
  now_ += absl::Seconds(10);
  On([&](auto* out) {
    core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
  });
  FromScheduler(PlacementOf(6, 2));
  ASSERT_THAT(open_pulls_, SizeIs(2));
  AnswerPullsAfter(3 * kMs);
  // The pull took 3 ms, and not 10 s.
  EXPECT_EQ(OneBatch(3 * kMs), 16 * kMs);
}

TEST_F(PullStartCoreTest, OthersHearItsClockBeforeThePull) {
  Change([](JobPlan* plan) {
    plan->consistency = {.kind = ConsistencyKind::kSsp, .clock_bound = 4};
  });
  Lease lease = LeaseOf(0);
  lease.joined = ViewNumber(1);
  BeginFirst(3 * kMs, std::move(lease));
  for (int i = 0; i < 20; ++i) OneBatch(3 * kMs);
  RunUntil(begun_ + kBatch);
  AnswerPullsAfter(3 * kMs);
  now_ = begun_ + kBatch;
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  ASSERT_THAT(open_pulls_, IsEmpty());
  int clocks = 0;
  for (const SendPush& push : std::exchange(pushes_, {})) {
    PushReply reply;
    reply.job = record_->id;
    reply.generation = Generation(1);
    reply.worker = testing::kMe;
    reply.item = push.request.item;
    for (const PushSegment& segment : push.request.segments) {
      reply.segments.push_back(
          {segment.partition, Verdict::kApplied, push.request.end, Term(5)});
    }
    ClientActions out;
    core_.OnPushReply(push.id, reply, now_, &out);
    clocks += static_cast<int>(
        std::ranges::count_if(out, [](const ClientAction& action) {
          return std::holds_alternative<SendClock>(action);
        }));
  }
  EXPECT_EQ(clocks, 2);  // One to each server.
}

}  // namespace
}  // namespace ebb::client

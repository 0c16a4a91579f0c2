#include "server/pull_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "server/testing/adding_rule.h"
#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::SizeIs;

class PullHandlerTest : public OnePartitionTest {
 protected:
  // A view of sessions 31 and 32, at clock 0.
  ViewNumber TwoWorkersJoin(ServerActions* actions) {
    const ViewNumber view(7);
    core_->OnScheduler(
        ViewUpdate{record_->id,
                   generation_,
                   view,
                   {{SessionId(31), view, 0}, {SessionId(32), view, 0}}},
        now_, actions);
    return view;
  }
  // Returns the answer to one that knows the values of so many updates.
  PullSegment PullKnowing(std::optional<int64_t> known) {
    PullRequest request;
    request.job = record_->id;
    request.generation = generation_;
    request.stamp = {kWorker, ViewNumber(), 0};
    request.segments = {{kP, Term(5), known}};
    ServerActions actions;
    core_->OnPull(1, std::move(request), now_, &actions);
    pull_replies_.clear();
    Do(std::move(actions));
    return pull_replies_.at(0).segments.at(0);
  }
};

// Leaves all values as they are.
class FrozenRule : public AddingRule {
 public:
  explicit FrozenRule(const JobPlan& plan) : trained_(plan, {}) {}
  const TrainedRanges* trained() const override { return &trained_; }

 private:
  const TrainedRanges trained_;
};

TEST_F(PullHandlerTest, AsksForAViewOnceHoweverManyPullsWait) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.consistency.kind = ConsistencyKind::kSsp;
  record_ = record;
  GrantTerm(5, 0);
  const auto pull = [&](uint64_t worker, uint64_t joined) {
    PullRequest request;
    request.job = record_->id;
    request.generation = generation_;
    request.stamp = {SessionId(worker), ViewNumber(joined), 0};
    request.segments = {{kP, Term(5)}};
    ServerActions actions;
    core_->OnPull(worker, std::move(request), now_, &actions);
    Do(std::move(actions));
  };
  pull(31, 9);
  pull(32, 9);
  pull(33, 8);
  EXPECT_EQ(view_requests_, 1);
  ServerActions actions;
  core_->OnScheduler(ViewUpdate{record_->id, generation_, ViewNumber(7), {}},
                     now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(view_requests_, 1);  // An older one is no answer; nor a reason.
  pull(34, 10);
  EXPECT_EQ(view_requests_, 2);
  now_ += absl::Seconds(1);
  pull(31, 9);
  EXPECT_EQ(view_requests_, 3);
  EXPECT_THAT(pull_replies_, SizeIs(1));  // The pull that 31 replaced.
}

// Tables may have a consistency of their own: the narrowest bound of what a
// pull reads is that of the pull.
TEST_F(PullHandlerTest, APullWaitsForTheNarrowestBoundOfWhatItReads) {
  const std::vector<uint64_t> keys = {3};
  struct Case {
    int64_t of_job;  // kNoBound: ASP.
    int64_t of_table;
    std::vector<PullRows> rows;
    bool waits = false;
  };
  constexpr int64_t kNone = SparseTablePlan::kNoBound;
  const PullRows of_first = {0, Payload::Of(keys)};
  const PullRows of_second = {1, Payload::Of(keys)};
  const PullRows nothing = {0, Payload()};
  const std::vector<Case> cases = {
      {kNone, 1, {of_first}, true},
      {kNone, 1, {}, false},
      {kNone, 1, {nothing}, false},
      {kNone, 1, {of_second}, false},
      {kNone, 2, {of_first}, false},  // Two clocks ahead.
      {1, kNone, {of_first}, true},   // For it reads dense values.
      {4, 1, {of_first}, true},
      {4, 1, {of_second}, false},
      {4, SparseTablePlan::kBoundOfJob, {of_first}, false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    auto record = std::make_shared<JobRecord>(*record_);
    ConsistencyPlan& how = record->plan.consistency;
    how = {};
    if (cases[i].of_job != kNone) {
      how.kind = ConsistencyKind::kSsp;
      how.clock_bound = cases[i].of_job;
    }
    record->plan.sparse_tables = {{1, cases[i].of_table}, {1, kNone}};
    record_ = record;
    Restart({});
    GrantTerm(5, 0);
    pull_replies_.clear();
    ServerActions actions;
    const ViewNumber view = TwoWorkersJoin(&actions);
    PullRequest request;
    request.job = record_->id;
    request.generation = generation_;
    request.stamp = {SessionId(31), view, 2};
    request.target_clock = 2;
    request.segments = {{kP, Term(5)}};
    request.segments[0].rows = cases[i].rows;
    core_->OnPull(1, std::move(request), now_, &actions);
    Do(std::move(actions));
    EXPECT_EQ(pull_replies_.empty(), cases[i].waits);
    actions.clear();
    core_->OnClock({record_->id, generation_, {SessionId(32), view, 1}}, now_,
                   &actions);
    Do(std::move(actions));
    ASSERT_THAT(pull_replies_, SizeIs(1));
    EXPECT_EQ(pull_replies_[0].segments[0].result, PullResult::kValues);
  }
}

class BoundWaitTest : public PullHandlerTest {
 protected:
  // In a job with this bound, of two workers.
  void Begin(int64_t bound) {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.consistency.kind = ConsistencyKind::kSsp;
    record->plan.consistency.clock_bound = bound;
    record_ = record;
    GrantTerm(5, 0);
    ServerActions actions;
    view_ = TwoWorkersJoin(&actions);
    Do(std::move(actions));
  }
  // Worker 31, at this clock, pulls for the batch at `target`.
  void Pull(int64_t clock, int64_t target) {
    PullRequest request;
    request.job = record_->id;
    request.generation = generation_;
    request.stamp = {SessionId(31), view_, clock};
    request.target_clock = target;
    request.segments = {{kP, Term(5)}};
    ServerActions actions;
    core_->OnPull(1, std::move(request), now_, &actions);
    Do(std::move(actions));
  }
  void Clock(uint64_t worker, int64_t clock) {
    ServerActions actions;
    core_->OnClock(
        {record_->id, generation_, {SessionId(worker), view_, clock}}, now_,
        &actions);
    Do(std::move(actions));
  }

  ViewNumber view_;
};

TEST_F(BoundWaitTest, CountsTheTimeAWorkerWaitsForAnother) {
  Begin(1);
  Pull(2, 2);
  now_ += absl::Milliseconds(300);
  Clock(32, 1);
  EXPECT_THAT(pull_replies_, SizeIs(1));
  EXPECT_EQ(Statistics().bound_wait, absl::Milliseconds(300));
  EXPECT_EQ(Statistics().bound_wait, absl::ZeroDuration());
}

// A pull begins while the batch before it is computed.
TEST_F(BoundWaitTest, DoesNotCountWhatAWorkerComputes) {
  Begin(0);
  Pull(1, 2);
  now_ += absl::Milliseconds(300);
  Clock(31, 2);
  now_ += absl::Milliseconds(50);
  Clock(31, 2);  // It is said again.
  now_ += absl::Milliseconds(50);
  Clock(32, 2);
  EXPECT_THAT(pull_replies_, SizeIs(1));
  EXPECT_EQ(Statistics().bound_wait, absl::Milliseconds(100));
}

TEST_F(BoundWaitTest, GoesOnWhenAPullIsAnsweredThatItWaits) {
  Begin(1);
  Pull(2, 2);
  now_ += absl::Milliseconds(200);
  Pull(2, 2);  // The other is answered.
  now_ += absl::Milliseconds(200);
  Clock(32, 2);
  EXPECT_THAT(pull_replies_, SizeIs(2));
  EXPECT_EQ(Statistics().bound_wait, absl::Milliseconds(400));
}

TEST_F(BoundWaitTest, AClockThatStepsBackTakesNothingAway) {
  Begin(1);
  Pull(2, 2);
  now_ -= absl::Seconds(10);
  Clock(32, 1);
  EXPECT_THAT(pull_replies_, SizeIs(1));
  now_ += absl::Seconds(10);  // Reports are due again.
  EXPECT_EQ(Statistics().bound_wait, absl::ZeroDuration());
}

TEST_F(BoundWaitTest, IsNotMeasuredWithoutABound) {
  GrantTerm(5, 0);
  EXPECT_EQ(Statistics().bound_wait, std::nullopt);
}

// Bug: a server that was taken for dead, and had lost its partitions, told its
// workers to wait for a view that it would never hear of (seed 17952394978131).
TEST_F(PullHandlerTest, WhoPullsWhatIsElsewhereLearnsItThoughTheViewIsUnknown) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.consistency.kind = ConsistencyKind::kSsp;
  record_ = record;
  GrantTerm(5, 0);
  ServerActions actions;
  core_->OnScheduler(
      PartitionMoved{record_->id, generation_, kP, Term(6), ServerId(1)}, now_,
      &actions);
  PullRequest request;
  request.job = record_->id;
  request.generation = generation_;
  request.stamp = {kWorker, ViewNumber(9), 0};
  request.segments = {{kP, Term(5)}};
  core_->OnPull(1, std::move(request), now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(pull_replies_, SizeIs(1));
  EXPECT_EQ(pull_replies_[0].segments[0].result, PullResult::kWrongPlacement);
}

// So that it joins where nobody has to wait for it.
TEST_F(PullHandlerTest, WhoIsInNoViewHearsHowFarTheSlowestIs) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.consistency.kind = ConsistencyKind::kSsp;
  record->plan.consistency.clock_bound = 3;
  record_ = record;
  GrantTerm(5, 0);
  ServerActions actions;
  const ViewNumber view = TwoWorkersJoin(&actions);
  const auto clock = [&](uint64_t worker, int64_t clock) {
    core_->OnClock({record_->id, generation_, {SessionId(worker), view, clock}},
                   now_, &actions);
  };
  clock(31, 12);
  clock(32, 14);
  PullRequest request;
  request.job = record_->id;
  request.generation = generation_;
  request.stamp = {SessionId(33), ViewNumber(), 0};
  request.segments = {{kP, Term(5)}};

  core_->OnPull(1, std::move(request), now_, &actions);

  Do(std::move(actions));
  ASSERT_THAT(pull_replies_, SizeIs(1));
  EXPECT_EQ(pull_replies_[0].segments[0].result, PullResult::kNotInView);
  EXPECT_EQ(pull_replies_[0].view_clock, 12);
}

// For as long it may use the rows again; who waited for nobody hears nothing.
TEST_F(PullHandlerTest, WhoPullsUnderABoundHearsHowFarAllAre) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.sparse_tables = {{.width = 1, .clock_bound = 3}};
  record_ = record;
  Restart({});
  GrantTerm(5, 0);
  ServerActions actions;
  const ViewNumber view = TwoWorkersJoin(&actions);
  core_->OnClock({record_->id, generation_, {SessionId(32), view, 12}}, now_,
                 &actions);
  PullRequest request;
  request.job = record_->id;
  request.generation = generation_;
  request.stamp = {SessionId(31), view, 14};
  request.target_clock = 14;
  request.segments = {{kP, Term(5)}};
  core_->OnPull(1, request, now_, &actions);
  request.segments[0].rows = {{0, Payload::Of(std::vector<uint64_t>{3})}};
  core_->OnPull(2, request, now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(pull_replies_, SizeIs(2));
  EXPECT_EQ(pull_replies_[0].view_clock, 0);
  EXPECT_EQ(pull_replies_[1].view_clock, 12);
}

TEST_F(PullHandlerTest, SendsNothingOfWhatThePullerHas) {
  GrantTerm(5, 0);
  EXPECT_EQ(PullKnowing(0).result, PullResult::kUnchanged);
  Push(5, 0, 0);
  EXPECT_EQ(PullKnowing(0).result, PullResult::kValues);
  EXPECT_EQ(PullKnowing(std::nullopt).result, PullResult::kValues);
  const PullSegment known = PullKnowing(1);
  EXPECT_EQ(known.result, PullResult::kUnchanged);
  EXPECT_EQ(known.updates, 1);
  EXPECT_EQ(known.values.size(), 0);
}

TEST_F(PullHandlerTest, FrozenValuesAreSentOnce) {
  rule_ = std::make_shared<FrozenRule>(record_->plan);
  Restart({});
  GrantTerm(5, 0);
  const PullSegment first = PullKnowing(std::nullopt);
  EXPECT_EQ(first.result, PullResult::kValues);
  EXPECT_EQ(first.values.size(), 2 * 4);
  gradient_ = Payload();
  Push(5, 0, 0);
  ASSERT_EQ(LastVerdict(), Verdict::kApplied);
  const PullSegment again = PullKnowing(first.updates);
  EXPECT_EQ(again.result, PullResult::kUnchanged);
  EXPECT_EQ(again.updates, first.updates + 1);
  EXPECT_EQ(again.values.size(), 0);
}

// Few bytes of keys asked for more memory than there is.
TEST_F(PullHandlerTest, RefusesToAnswerMoreRowsThanAMessageHolds) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.sparse_tables = {{.width = 13}};  // A block holds one row.
  record_ = record;
  Restart({});
  GrantTerm(5, 0);
  Written();
  PullRequest pull;
  pull.job = record_->id;
  pull.generation = generation_;
  pull.stamp.worker = kWorker;
  const auto ask = [&](size_t keys) {
    std::vector<uint64_t> all(keys);
    std::iota(all.begin(), all.end(), 0);
    PullSegmentRequest segment;
    segment.partition = kP;
    segment.term = Term(5);
    segment.rows = {{0, Payload::Of(std::move(all))}};
    pull.segments = {segment};
    ServerActions actions;
    core_->OnPull(1, pull, now_, &actions);
    Do(std::move(actions));
    return pull_replies_.back().segments[0].result;
  };
  EXPECT_EQ(ask(10), PullResult::kValues);
  EXPECT_EQ(ask(9'100'000), PullResult::kInvalid);
}

}  // namespace
}  // namespace ebb::server

#include "server/hosted_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "protocol/marks.h"
#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using HostedJobTest = OnePartitionTest;

TEST_F(HostedJobTest, AGrantForAnotherLifeOfTheServerIsVoid) {
  GrantTerm(5, 0, SessionId(10));
  EXPECT_THAT(registrations_, IsEmpty());
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
}

TEST_F(HostedJobTest, ATermNotAboveAllSeenIsAnsweredWithWhatIsServed) {
  GrantTerm(5, 0);
  GrantTerm(4, 0);
  EXPECT_EQ(registrations_.back().partitions[0].term, Term(5));
  GrantTerm(5, 0);
  EXPECT_EQ(registrations_.back().partitions[0].term, Term(5));
}

// Bug: a scheduler without its store then waited for nobody but this server
// (seed 17952394974196).
TEST_F(HostedJobTest, AGrantThatComesLateDoesNotSayWhoIsKnown) {
  Grant grant;
  grant.server = kServer;
  grant.session = kSession;
  grant.record = record_;
  grant.generation = generation_;
  grant.known_servers = {kServer};
  grant.partitions = {{kP, Term(5), Term()}};
  const auto take = [&](const Grant& one) {
    ServerActions actions;
    core_->OnScheduler(one, now_, &actions);
    Do(std::move(actions));
  };
  take(grant);
  Grant news = grant;
  news.partitions.clear();
  news.known_servers.emplace_back(1);
  take(news);
  take(grant);
  EXPECT_EQ(core_->jobs().at(record_->id).stored().known_servers,
            news.known_servers);
}

TEST_F(HostedJobTest, GoesOnFromMemoryOnlyFromExactlyTheParent) {
  GrantTerm(5, 0);
  Push(5, 0, 0);
  GrantTerm(6, 5);
  Push(6, 1, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);  // The mark is still 1.
  GrantTerm(9, 8);                              // Somebody else was the owner.
  Push(9, 2, 2);
  EXPECT_EQ(LastVerdict(), Verdict::kGap);  // Initial values again.
}

TEST_F(HostedJobTest, ARuleIsMadeForEachGenerationWithItsRateFactor) {
  GrantTerm(5, 0);
  GrantTerm(6, 5);
  EXPECT_THAT(rule_factors_, ElementsAre(1));
  generation_ = Generation(2);
  rate_factor_ = 0.5;
  GrantTerm(9, 0);
  EXPECT_THAT(rule_factors_, ElementsAre(1, 0.5));
  EXPECT_EQ(registrations_.back().rollback.rate_factor, 0.5);
  // It is stored, and there again in the next life.
  Inventory inventory;
  inventory.jobs = {core_->jobs().at(record_->id).stored()};
  Restart(inventory);
  rate_factor_ = 1;  // Of a scheduler that is behind.
  generation_ = Generation(1);
  GrantTerm(10, 0);
  EXPECT_EQ(registrations_.back().generation, Generation(2));
  EXPECT_EQ(registrations_.back().rollback.rate_factor, 0.5);
  generation_ = Generation(2);
  rate_factor_ = 0.5;
  GrantTerm(11, 0);
  EXPECT_THAT(rule_factors_, ElementsAre(1, 0.5, 0.5));
}

TEST_F(HostedJobTest, AGrantWaitsForTheUpdateThatRuns) {
  GrantTerm(5, 0);
  hold_updates_ = true;
  Push(5, 0, 0);
  Push(5, 1, 1);
  GrantTerm(6, 5);
  EXPECT_EQ(registrations_.back().partitions[0].term, Term(5));
  FinishUpdates();
  const PartitionRegistration& now = registrations_.back().partitions[0];
  EXPECT_EQ(now.term, Term(6));
  EXPECT_EQ(MarkSet::Decode(record_->plan, now.marks)->mark({0, 0}), 1);
  ASSERT_THAT(push_replies_, SizeIs(2));
  EXPECT_EQ(push_replies_[0].segments[0].verdict, Verdict::kApplied);
  EXPECT_EQ(push_replies_[1].segments[0].verdict, Verdict::kWrongPlacement);
}

// Bug: the older one that came late took the place of the newer, and the
// partition was never served again (seed 17952400045597).
TEST_F(HostedJobTest, OfTwoGrantsThatWaitForAnUpdateTheNewerCounts) {
  GrantTerm(5, 0);
  hold_updates_ = true;
  Push(5, 0, 0);
  GrantTerm(7, 5);
  GrantTerm(6, 5);
  FinishUpdates();
  EXPECT_EQ(registrations_.back().partitions[0].term, Term(7));
}

TEST_F(HostedJobTest, ANewGenerationKnowsNothingOfClosedRounds) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.consistency.kind = ConsistencyKind::kRounds;
  record->plan.consistency.round_items = 1;
  record_ = record;
  GrantTerm(5, 0);
  Rounds(1, 1);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kClosed);
  generation_ = Generation(2);
  GrantTerm(6, 5);
  Push(6, 0, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
}

TEST_F(HostedJobTest, SaysThatAValueWhichIsNeededAgainIsGone) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.epochs = 2;
  record->plan.batch_by_epoch = {4};
  record->plan.consistency.kind = ConsistencyKind::kRounds;
  record->plan.consistency.round_items = 1;
  record_ = record;
  GrantTerm(5, 0);
  Written();
  PushRange(5, 0, 4, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  Checkpoint();
  Written();
  Rounds(1, 1);
  const size_t before = registrations_.size();
  Rounds(0, 0);  // Another partition came back with less.
  ASSERT_THAT(registrations_, SizeIs(before + 1));
  const PartitionRegistration& one = registrations_.back().partitions[0];
  EXPECT_EQ(one.oldest_round, 1);
  ASSERT_THAT(one.stored, SizeIs(1));
  EXPECT_EQ(one.stored[0].key, writes_.back().key);
  EXPECT_EQ(one.stored[0].rounds, (RoundSpan{0, 1}));
}

// Rounds of the one item, in batches of 2, each closed by an operation.
class OperatedJobTest : public OnePartitionTest {
 protected:
  OperatedJobTest() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.epochs = 2;
    record->plan.batch_by_epoch = {2};
    record->plan.consistency.kind = ConsistencyKind::kRounds;
    record->plan.consistency.round_items = 1;
    record->plan.algorithm.operated = true;
    record_ = record;
    GrantTerm(5, 0);
    Written();
    PushRange(5, 0, 2, 0);
  }

  void Operation(int64_t round, std::string operation) {
    ServerActions actions;
    core_->OnScheduler(
        ApplyOperation{record_->id, generation_, {round, std::move(operation)}},
        now_, &actions);
    Do(std::move(actions));
  }
  const MarkSet& Marks() const {
    return core_->jobs().at(record_->id).partition(kP)->marks();
  }
};

TEST_F(OperatedJobTest, TheLastPushIsAnsweredAndWaitsForItsOperation) {
  PushRange(5, 2, 4, 1);
  // Its worker may need the answer to push to others.
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  EXPECT_EQ(push_replies_.back().segments[0].mark, 4);
  const size_t before = push_replies_.size();
  Operation(1, "of another round");
  EXPECT_EQ(Marks().mark({0, 0}), 2);
  Operation(0, "1");
  EXPECT_TRUE(Marks().Full({0, 0}));
  Operation(0, "1");  // A repeat is nothing.
  EXPECT_EQ(core_->jobs().at(record_->id).partition(kP)->tally().updates(), 2);
  EXPECT_THAT(push_replies_, SizeIs(before));
}

TEST_F(OperatedJobTest, WhatWaitsIsJudgedAsIfItWasApplied) {
  PushRange(5, 2, 4, 1);
  PushRange(5, 2, 4, 0, SessionId(22));
  EXPECT_EQ(LastVerdict(), Verdict::kDuplicate);
  EXPECT_EQ(push_replies_.back().segments[0].mark, 4);
  PushRange(5, 0, 2, 1, SessionId(22));
  EXPECT_EQ(LastVerdict(), Verdict::kDuplicate);
  PushRange(4, 2, 4, 2, SessionId(22));
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  EXPECT_EQ(Marks().mark({0, 0}), 2);
  Operation(0, "1");
  EXPECT_EQ(core_->jobs().at(record_->id).partition(kP)->tally().updates(), 2);
}

// What it measured is told again: the scheduler may be another one.
TEST_F(OperatedJobTest, ANewSessionHearsTheFiguresAgain) {
  const auto told = [this] {
    Statistics();
    int64_t times = 0;
    for (const MarkReport& report : std::exchange(reports_, {})) {
      for (const PartitionMarkReport& one : report.partitions) {
        if (!one.figures) continue;
        EXPECT_EQ(one.figures->round, 0);
        ++times;
      }
    }
    return times;
  };
  PushRange(5, 2, 4, 1);
  EXPECT_EQ(told(), 1);
  EXPECT_EQ(told(), 0);
  core_->OnSchedulerDisconnected();
  ServerActions actions;
  core_->OnSchedulerConnected(now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(told(), 1);
  Operation(0, "1");
  EXPECT_TRUE(Marks().Full({0, 0}));
  ASSERT_FALSE(reports_.empty());
  const PartitionMarkReport& last = reports_.back().partitions.at(0);
  ASSERT_THAT(last.operations, SizeIs(1));
  EXPECT_EQ(last.operations[0].round, 0);
  EXPECT_EQ(last.operations[0].operation, "1");
}

TEST_F(OperatedJobTest, WhatIsNoOperationIsTriedAgainAndSaid) {
  PushRange(5, 2, 4, 1);
  Operation(0, "");
  EXPECT_EQ(Marks().mark({0, 0}), 2);
  EXPECT_THAT(Statistics().problem,
              HasSubstr("the operation of round 0 cannot be applied"));
}

// It is as if it had been applied and lost.
TEST_F(OperatedJobTest, WhatWaitsEndsWithItsTerm) {
  PushRange(5, 2, 4, 1);
  GrantTerm(6, 5);
  Operation(0, "1");
  EXPECT_EQ(Marks().mark({0, 0}), 2);
  PushRange(6, 2, 4, 2);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  Operation(0, "1");
  EXPECT_TRUE(Marks().Full({0, 0}));
}

// The grant came while it was measured.
TEST_F(OperatedJobTest, WhatWaitsEndsWithATermThatWaitedForIt) {
  hold_updates_ = true;
  PushRange(5, 2, 4, 1);
  GrantTerm(6, 5);
  FinishUpdates();
  Operation(0, "1");
  EXPECT_EQ(Marks().mark({0, 0}), 2);
  PushRange(6, 2, 4, 2);
  Operation(0, "1");
  EXPECT_TRUE(Marks().Full({0, 0}));
}

}  // namespace
}  // namespace ebb::server

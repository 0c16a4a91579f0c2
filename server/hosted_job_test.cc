#include "server/hosted_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "common/protocol/marks.h"
#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
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

}  // namespace
}  // namespace ebb::server

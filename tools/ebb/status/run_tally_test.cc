#include "tools/ebb/status/run_tally.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;

v1::JobStatus Status(
    std::initializer_list<int64_t> staleness,
    std::initializer_list<std::pair<std::string, int64_t>> shares) {
  v1::JobStatus status;
  for (const int64_t count : staleness) status.add_staleness(count);
  for (const auto& [name, examples] : shares) {
    auto* share = status.add_shares();
    share->set_name(name);
    share->set_examples(examples);
  }
  return status;
}

TEST(RunTallyTest, KeepsWhatASchedulerForgot) {
  RunTally tally;
  tally.Add(Status({1, 2}, {{"a", 100}, {"b", 50}}));
  tally.Add(Status({1, 4}, {{"a", 150}, {"b", 50}}));
  tally.Add(Status({}, {}));  // A new life.
  tally.Add(Status({0, 1, 1}, {{"b", 10}}));
  v1::JobStatus last = Status({0, 1, 1}, {{"b", 10}});
  tally.Complete(&last);
  EXPECT_THAT(last.staleness(), ElementsAre(1, 5, 1));
  ASSERT_EQ(last.shares_size(), 2);
  EXPECT_EQ(last.shares(0).name(), "a");
  EXPECT_EQ(last.shares(0).examples(), 150);
  EXPECT_EQ(last.shares(1).name(), "b");
  EXPECT_EQ(last.shares(1).examples(), 60);
}

TEST(RunTallyTest, CountsTheRollbacksOfTheRun) {
  RunTally tally;
  v1::JobStatus status;
  for (const uint64_t generation : {7, 7, 9, 9, 12}) {
    status.mutable_summary()->set_generation(generation);
    tally.Add(status);
  }
  EXPECT_EQ(tally.rollbacks(), 2);
}

// Bug: "rollbacks 1" where a job had converged.
TEST(RunTallyTest, AJobThatEndsEarlyRollsNothingBack) {
  RunTally tally;
  v1::JobStatus status;
  for (const auto& [generation, epochs] :
       {std::pair(7, 100), std::pair(9, 3), std::pair(9, 3)}) {
    status.mutable_summary()->set_generation(generation);
    status.mutable_summary()->set_epochs(epochs);
    tally.Add(status);
  }
  EXPECT_EQ(tally.rollbacks(), 0);
}

TEST(RunTallyTest, AVersionThatIsKeptRollsNothingBack) {
  RunTally tally;
  v1::JobStatus status;
  status.mutable_summary()->set_epochs(9);
  status.mutable_summary()->set_generation(7);
  tally.Add(status);
  for (const auto& [generation, best] : {std::pair(8, 0), std::pair(12, 4)}) {
    status.mutable_summary()->set_generation(generation);
    status.mutable_best()->set_epoch(best);
    tally.Add(status);
  }
  EXPECT_EQ(tally.rollbacks(), 0);
  // An operator's: no version is kept any more.
  status.mutable_summary()->set_generation(13);
  status.clear_best();
  tally.Add(status);
  EXPECT_EQ(tally.rollbacks(), 1);
}

// Bug: two that the job made between two looks were one.
TEST(RunTallyTest, CountsEachRollbackOfTheJobsOwn) {
  RunTally tally;
  v1::JobStatus status;
  for (const auto& [generation, own] :
       {std::pair(7, 1), std::pair(9, 3), std::pair(12, 3)}) {
    status.mutable_summary()->set_generation(generation);
    status.set_nonfinite_rollbacks(own);
    tally.Add(status);
  }
  EXPECT_EQ(tally.rollbacks(), 3);
}

TEST(RunTallyTest, AddsUpRepeatedLeasesOverTheSchedulersLives) {
  RunTally tally;
  v1::JobStatus status;
  for (const int64_t repeated : {1, 3, 0, 2}) {
    status.set_leases_repeated(repeated);
    tally.Add(status);
  }
  tally.Complete(&status);
  EXPECT_EQ(status.leases_repeated(), 3 + 2);
}

TEST(RunTallyTest, AddsUpTheTrafficOverTheSchedulersLives) {
  RunTally tally;
  v1::JobStatus status;
  for (const int64_t pulled : {4, 40, 0, 8}) {
    status.mutable_traffic()->set_pushed(pulled / 2);
    status.mutable_traffic()->set_pulled_as_floats(pulled);
    tally.Add(status);
  }
  tally.Complete(&status);
  EXPECT_EQ(status.traffic().pulled_as_floats(), 40 + 8);
  EXPECT_EQ(status.traffic().pushed(), 20 + 4);
}

TEST(RunTallyTest, AddsUpHowUpdatesWereScaledOverTheSchedulersLives) {
  RunTally tally;
  for (const int64_t updates : {4, 40, 0, 8}) {
    v1::JobStatus status;
    if (updates > 0) {
      status.mutable_scaled()->set_updates(updates);
      status.mutable_scaled()->set_scaled(updates / 2);
      status.mutable_scaled()->set_factor_sum(0.75 *
                                              static_cast<double>(updates));
    }
    tally.Add(status);
  }
  v1::JobStatus last;
  tally.Complete(&last);
  EXPECT_EQ(last.scaled().updates(), 40 + 8);
  EXPECT_EQ(last.scaled().scaled(), 20 + 4);
  EXPECT_EQ(last.scaled().factor_sum(), 36);
}

TEST(RunTallyTest, AddsUpWaitsAndWorkersTimeOverTheSchedulersLives) {
  RunTally tally;
  v1::JobStatus last;
  tally.Add(last);
  tally.Complete(&last);
  EXPECT_FALSE(last.has_bound_wait_us());  // An older ebb says nothing.
  EXPECT_FALSE(last.has_worker_us());
  EXPECT_FALSE(last.has_scaled());
  for (const int64_t us : {4, 40, -1, 8}) {
    v1::JobStatus status;
    if (us >= 0) status.set_bound_wait_us(us);
    status.set_worker_us(std::max<int64_t>(0, 2 * us));
    tally.Add(status);
  }
  tally.Complete(&last);
  EXPECT_EQ(last.bound_wait_us(), 40 + 8);
  EXPECT_EQ(last.worker_us(), 80 + 16);
}

TEST(RunTallyTest, KeepsTheWarningAboutLateUpdates) {
  RunTally tally;
  v1::JobStatus status;
  status.set_late_updates("too late");
  tally.Add(status);
  tally.Add({});
  v1::JobStatus last;
  tally.Complete(&last);
  EXPECT_EQ(last.late_updates(), "too late");
}

TEST(RunTallyTest, KeepsTheLargestClockLead) {
  RunTally tally;
  v1::JobStatus status;
  for (const int64_t lead : {1, 3, 0, 2}) {
    status.set_clock_lead(lead);
    tally.Add(status);
  }
  tally.Complete(&status);
  EXPECT_EQ(status.clock_lead(), 3);
}

TEST(RunTallyTest, AddsUpBackupsOverTheSchedulersLives) {
  RunTally tally;
  v1::JobStatus status;
  for (const int64_t leased : {1, 4, 0, 2}) {
    status.mutable_backups()->set_leased(leased);
    status.mutable_backups()->set_won(leased / 2);
    status.mutable_backups()->set_computed_twice(10 * leased);
    tally.Add(status);
  }
  tally.Complete(&status);
  EXPECT_EQ(status.backups().leased(), 4 + 2);
  EXPECT_EQ(status.backups().won(), 2 + 1);
  EXPECT_EQ(status.backups().computed_twice(), 40 + 20);
}

// Bug: an epoch that a server had opened again ended in two lives of the
// scheduler, and a run of 3 epochs had 5 ends.
TEST(RunTallyTest, CountsTheEndOfAnEpochOnceOverTheSchedulersLives) {
  RunTally tally;
  const auto add = [&](std::vector<std::pair<int32_t, int64_t>> ends,
                       int64_t slowest) {
    v1::JobStatus status;
    auto* tails = status.mutable_epoch_tails();
    for (const auto& [epoch, us] : ends) {
      auto* end = tails->add_ends();
      end->set_epoch(epoch);
      end->set_us(us);
    }
    tails->set_epochs(static_cast<int64_t>(ends.size()));
    tails->set_slowest_batch_us(slowest);
    tally.Add(status);
  };
  add({{0, 100}}, 7);
  add({{0, 100}, {1, 300}}, 9);
  add({}, 0);  // A new life.
  add({{1, 1000}, {2, 50}}, 8);

  v1::JobStatus status;
  tally.Complete(&status);

  EXPECT_EQ(status.epoch_tails().epochs(), 3);
  EXPECT_EQ(status.epoch_tails().sum_us(), 100 + 300 + 50);
  EXPECT_EQ(status.epoch_tails().longest_us(), 300);
  EXPECT_EQ(status.epoch_tails().slowest_batch_us(), 9);
}

TEST(RunTallyTest, IsTheLastStatusOfAnUndisturbedRun) {
  RunTally tally;
  tally.Add(Status({1}, {{"a", 100}}));
  tally.Add(Status({1, 2}, {{"a", 200}}));
  v1::JobStatus last;
  tally.Complete(&last);
  EXPECT_THAT(last.staleness(), ElementsAre(1, 2));
  ASSERT_EQ(last.shares_size(), 1);
  EXPECT_EQ(last.shares(0).examples(), 200);
}

}  // namespace
}  // namespace ebb::tools

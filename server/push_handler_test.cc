#include "server/push_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using PushHandlerTest = OnePartitionTest;

TEST_F(PushHandlerTest, SaysWhatItRefusesAndWhy) {
  memory_ = 128;  // The values, and those of one step.
  GrantTerm(5, 0);
  Push(5, 0, 0);  // The first version holds the values before.
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  Push(5, 1, 1);
  Push(5, 1, 2);
  EXPECT_EQ(LastVerdict(), Verdict::kBusy);
  EXPECT_EQ(Statistics().refused_pushes, 2);
  EXPECT_THAT(statistics_.refusal, HasSubstr("block"));
  EXPECT_EQ(statistics_.problem, "");
  // Each is told once.
  EXPECT_EQ(Statistics().refused_pushes, 0);
  core_->OnPushRefused(record_->id, "no room");
  EXPECT_EQ(Statistics().refused_pushes, 1);
  EXPECT_EQ(statistics_.refusal, "no room");
}

TEST_F(PushHandlerTest, APushOfAnOldTermIsRefused) {
  GrantTerm(5, 0);
  GrantTerm(6, 5);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  EXPECT_EQ(push_replies_.back().segments[0].term, Term(6));
}

TEST_F(PushHandlerTest, WhatADeadWorkerLeftBehindAGapIsGivenUp) {
  GrantTerm(5, 0);
  Push(5, 0, 1);  // Number 0 was lost with its worker.
  EXPECT_THAT(push_replies_, IsEmpty());
  EXPECT_LE(core_->NextTick(), now_ + absl::Seconds(15));
  now_ += absl::Seconds(15);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(push_replies_, SizeIs(1));
  EXPECT_EQ(LastVerdict(), Verdict::kSuperseded);
}

TEST_F(PushHandlerTest, ReportsLossesByEpochWhenTheyChange) {
  GrantTerm(5, 0);
  Push(5, 0, 0);
  ASSERT_THAT(Statistics().losses, SizeIs(1));
  EXPECT_EQ(statistics_.losses[0].epoch, 0);
  EXPECT_EQ(statistics_.losses[0].examples, 1);
  EXPECT_THAT(Statistics().losses, IsEmpty());
  Push(5, 1, 1);
  ASSERT_THAT(Statistics().losses, SizeIs(1));
  EXPECT_EQ(statistics_.losses[0].examples, 2);
  // A scheduler that was away hears all of it.
  ServerActions actions;
  core_->OnSchedulerDisconnected();
  core_->OnSchedulerConnected(now_, &actions);
  Do(std::move(actions));
  EXPECT_THAT(Statistics().losses, SizeIs(1));
}

TEST_F(PushHandlerTest, ReportsTheLossOfTheLatestPushes) {
  GrantTerm(5, 0);
  loss_ = 2.5;
  Push(5, 0, 0);
  EXPECT_EQ(Statistics().loss_sum, 2.5);
  EXPECT_EQ(statistics_.loss_examples, 1);
  loss_ = 0.5;
  Push(5, 1, 1);
  EXPECT_EQ(Statistics().loss_sum, 3);
  EXPECT_EQ(statistics_.loss_examples, 2);
}

}  // namespace
}  // namespace ebb::server

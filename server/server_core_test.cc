#include "server/server_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using ServerCoreTest = OnePartitionTest;

TEST_F(ServerCoreTest, StatisticsOfAJobComeBeforeItsLastMarks) {
  GrantTerm(5, 0);
  PushRange(5, 0, 4, 0);
  statistics_ = {};
  now_ += absl::Milliseconds(60);  // Marks are reported, statistics not yet.
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(updates_at_report_, 1);
}

TEST_F(ServerCoreTest, DrainingSavesEverythingAndThenSaysGoodbye) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  ServerActions actions;
  core_->Drain(now_, &actions);
  Do(std::move(actions));
  EXPECT_FALSE(core_->Drained());
  Push(5, 1, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  Written();
  EXPECT_TRUE(core_->Drained());
}

TEST_F(ServerCoreTest, OneThatServesNothingSaysThatItIsThere) {
  const auto tick = [&] {
    now_ += absl::Seconds(1);
    ServerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  };
  tick();
  tick();
  EXPECT_EQ(alive_, 2);
  GrantTerm(5, 0);
  tick();
  EXPECT_EQ(alive_, 2);  // Statistics say it.
}

TEST_F(ServerCoreTest, OneThatIsRefusedSaysSoLoudlyAndTriesAgain) {
  const auto refuse = [&](const std::string& why) {
    ServerActions actions;
    core_->OnScheduler(RefuseServer{false, why}, now_, &actions);
    Do(std::move(actions));
  };
  refuse("process 55 is there");
  refuse("process 55 is there");
  EXPECT_EQ(retries_, 2);
  ASSERT_THAT(log_, SizeIs(1));
  EXPECT_THAT(log_[0].text, HasSubstr("process 55 is there. Trying again"));
  EXPECT_TRUE(log_[0].warning);
  refuse("process 56 is there");
  EXPECT_THAT(log_, SizeIs(2));
  now_ += absl::Minutes(1);
  refuse("process 56 is there");
  EXPECT_THAT(log_, SizeIs(3));
  EXPECT_EQ(ended_, "");
}

TEST_F(ServerCoreTest, OneWhosePlaceWasTakenEnds) {
  ServerActions actions;
  core_->OnScheduler(RefuseServer{true, "process 55 has it"}, now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(ended_, "process 55 has it");
  EXPECT_EQ(retries_, 0);
}

}  // namespace
}  // namespace ebb::server

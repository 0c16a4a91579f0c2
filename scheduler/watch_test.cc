#include "scheduler/watch.h"

#include <memory>

#include "gtest/gtest.h"

namespace ebb::scheduler {
namespace {

constexpr LinkId kLink(1);

// One server, two partitions, one epoch of 50 items of 2 examples.
class WatchTest : public ::testing::Test {
 protected:
  WatchTest() {
    core_ = *SchedulerCore::Create({}, {}, now_);
    ServerUp(SessionId(101));
    JobRecord record;
    record.name = "test";
    record.plan.examples = 100;
    record.plan.shard_size = 2;
    record.plan.partitions = 2;
    record.plan.parameters = 4;
    SchedulerActions actions;
    job_ = *core_->Submit(record, now_, &actions);
  }

  // In a new life; the one before is known to be over.
  void ServerUp(SessionId session) {
    SchedulerActions actions;
    core_->OnServerDisconnected(kLink, now_, &actions);
    RegisterServer server;
    server.server = ServerId(0);
    server.session = session_ = session;
    server.address = "here:1";
    for (const auto& [id, job] : core_->jobs()) {
      server.jobs.push_back({job->record(), job->state().generation, {}, {}});
    }
    FromServer(server);
  }
  void FromServer(ServerToScheduler message) {
    SchedulerActions actions;
    core_->OnServer(kLink, message, now_, &actions);
  }
  // The server's partition has the first `items` items, a second later.
  void Register(int32_t partition, int32_t items) {
    const TrainingJob& job = *core_->jobs().at(job_);
    MarkSet marks(job.plan());
    for (int32_t i = 0; i < items; ++i) {
      ASSERT_TRUE(marks.Raise(job.plan().ItemAt(i), 2).ok());
    }
    RegisterPartitions message{session_, {}};
    message.job.record = job.record();
    message.job.generation = job.state().generation;
    message.job.partitions.push_back(
        {PartitionId(partition),
         job.placement().at(PartitionId(partition)).drawn, true, marks.Encode(),
         MarkSet(job.plan()).Encode()});
    FromServer(message);
  }
  double SpeedASecondLater() {
    now_ += absl::Seconds(1);
    watch_.Look(*core_, now_);
    return watch_.job(job_)->applied.per_second();
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::unique_ptr<SchedulerCore> core_;
  Watch watch_{now_};
  SessionId session_;
  JobId job_;
};

TEST_F(WatchTest, SpeedIsOfWhatIsAppliedNow) {
  Register(0, 0);
  Register(1, 0);
  EXPECT_EQ(SpeedASecondLater(), 0);
  Register(0, 10);
  Register(1, 20);
  EXPECT_DOUBLE_EQ(SpeedASecondLater(), 2.0 * (10 + 20) / 2);
}

TEST_F(WatchTest, WhatAServerRegistersWasNotAppliedJustThen) {
  EXPECT_EQ(SpeedASecondLater(), 0);
  Register(0, 40);
  Register(1, 40);
  EXPECT_EQ(SpeedASecondLater(), 0);
}

TEST_F(WatchTest, WhatAServerLostIsNoStepBack) {
  Register(0, 40);
  Register(1, 40);
  EXPECT_EQ(SpeedASecondLater(), 0);
  ServerUp(SessionId(102));
  Register(0, 10);
  Register(1, 10);
  EXPECT_EQ(SpeedASecondLater(), 0);
  Register(0, 16);
  Register(1, 16);
  EXPECT_DOUBLE_EQ(SpeedASecondLater(), 2 * 6 / 2.);  // In two seconds.
}

TEST_F(WatchTest, APartitionThatIsAwayDoesNotHideTheOthers) {
  Register(0, 10);
  EXPECT_EQ(SpeedASecondLater(), 0);
  Register(0, 15);
  EXPECT_DOUBLE_EQ(SpeedASecondLater(), 2 * 5);
}

}  // namespace
}  // namespace ebb::scheduler

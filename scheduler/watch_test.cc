#include "scheduler/watch.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

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
      for (int32_t p = 0; p < job->placement().size(); ++p) {
        PartitionRegistration stored;
        stored.partition = PartitionId(p);
        stored.term = stored.stored_term =
            job->placement().at(stored.partition).drawn;
        server.jobs.back().partitions.push_back(std::move(stored));
      }
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
    watch_.ServerSaid(*core_, message, now_);
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

// Carries out leases in the way of the shell.
class RecoveryWatchTest : public WatchTest {
 protected:
  void Act(SchedulerActions actions) {
    for (const SchedulerAction& action : actions) {
      const auto* send = std::get_if<SendWorker>(&action);
      if (send == nullptr) continue;
      if (const auto* lease = std::get_if<Lease>(&send->message)) {
        watch_.Leased(*core_, send->link, *lease, now_);
      }
    }
  }
  void FromWorker(LinkId link, WorkerToScheduler message) {
    SchedulerActions actions;
    watch_.WorkerSays(*core_, link, message, now_);
    core_->OnWorker(link, message, now_, &actions);
    Act(std::move(actions));
  }
  void WorkerUp(LinkId link, const std::string& name) {
    RegisterWorker worker;
    worker.session = SessionId(link.value());
    worker.name = name;
    FromWorker(link, worker);
    FromWorker(link, LeaseRequest{worker.session, 1});
  }
  void Marks(int32_t partition, ItemId item, int64_t mark) {
    MarkReport report;
    report.session = session_;
    report.job = job_;
    report.generation = core_->jobs().at(job_)->state().generation;
    const PartitionId p(partition);
    report.partitions.push_back(
        {p,
         core_->jobs().at(job_)->placement().at(p).drawn,
         {{item, mark}},
         {},
         {}});
    watch_.ServerSays(*core_, kLink, report, now_);
    FromServer(report);
  }
  std::vector<Recovery> List() { return watch_.job(job_)->recoveries.list(); }
  void Pass() { now_ += absl::Seconds(1); }
};

TEST_F(RecoveryWatchTest, AnItemOfALostWorkerIsFollowedUntilItCounts) {
  const LinkId lost(11), other(12);
  Register(0, 0);
  Register(1, 0);
  WorkerUp(lost, "worker-0");
  Pass();
  const absl::Time lost_at = now_;
  watch_.WorkerCloses(*core_, lost, now_);
  SchedulerActions actions;
  core_->OnWorkerDisconnected(lost, now_, &actions);
  Act(std::move(actions));
  Pass();
  const absl::Time leased_at = now_;
  WorkerUp(other, "worker-1");
  Pass();
  Marks(0, {0, 1}, 1);  // Another item.
  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].counted, absl::InfiniteFuture());
  Marks(1, {0, 0}, 1);
  EXPECT_EQ(List()[0].worker, "worker-0");
  EXPECT_EQ(List()[0].ordinal, 0);
  EXPECT_EQ(List()[0].lost, lost_at);
  EXPECT_EQ(List()[0].resumed, leased_at);
  EXPECT_EQ(List()[0].counted, now_);
}

TEST_F(RecoveryWatchTest, WorkersTimeIsThatOfAllOfThemTogether) {
  Register(0, 0);
  Register(1, 0);
  watch_.Look(*core_, now_);
  Pass();
  watch_.Look(*core_, now_);
  EXPECT_EQ(watch_.job(job_)->worker_time, absl::ZeroDuration());
  WorkerUp(LinkId(11), "worker-0");
  WorkerUp(LinkId(12), "worker-1");
  Pass();
  watch_.Look(*core_, now_);
  EXPECT_EQ(watch_.job(job_)->worker_time, absl::Seconds(2));
}

TEST_F(RecoveryWatchTest, AClockThatStepsBackTakesNoWorkersTimeAway) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  watch_.Look(*core_, now_);
  Pass();
  watch_.Look(*core_, now_);
  ASSERT_EQ(watch_.job(job_)->worker_time, absl::Seconds(1));
  now_ -= absl::Minutes(1);
  watch_.Look(*core_, now_);
  EXPECT_EQ(watch_.job(job_)->worker_time, absl::Seconds(1));
  Pass();
  watch_.Look(*core_, now_);
  EXPECT_EQ(watch_.job(job_)->worker_time, absl::Seconds(2));
}

TEST_F(RecoveryWatchTest, WhatSomebodyReturnedWhoLeftIsTheirs) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  ItemEnd end;
  end.session = SessionId(11);
  end.job = job_;
  end.generation = core_->jobs().at(job_)->state().generation;
  end.item = {0, 0};
  end.end = LeaseEnd::kReturned;
  FromWorker(LinkId(11), end);
  watch_.WorkerCloses(*core_, LinkId(11), now_);
  FromWorker(LinkId(11), WorkerGoodbye{});
  EXPECT_TRUE(List().empty());
  WorkerUp(LinkId(12), "worker-1");
  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].worker, "worker-0");
  EXPECT_EQ(List()[0].lost, absl::InfiniteFuture());
}

TEST_F(RecoveryWatchTest, ALeaseThatRunsOutNamesWhoHadIt) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  now_ += core_->options().lease_ttl;
  SchedulerActions actions;
  core_->OnTick(now_, &actions);
  Act(std::move(actions));
  EXPECT_EQ(watch_.job(job_)->leases_repeated, 0);
  WorkerUp(LinkId(12), "worker-1");
  ASSERT_FALSE(List().empty());
  EXPECT_EQ(List()[0].worker, "worker-0");
  EXPECT_EQ(List()[0].lost, absl::InfiniteFuture());
  EXPECT_EQ(List()[0].resumed, now_);
}

TEST_F(RecoveryWatchTest, AWorkerWithTwoItemsIsOneLoss) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  FromWorker(LinkId(11), LeaseRequest{SessionId(11), 1});
  ASSERT_EQ(core_->jobs().at(job_)->leases().CountHeldBy(SessionId(11)), 2);
  watch_.WorkerCloses(*core_, LinkId(11), now_);
  EXPECT_EQ(List().size(), 2u);
  EXPECT_EQ(watch_.job(job_)->recoveries.losses(), 1);
}

TEST_F(RecoveryWatchTest, AWorkerWhoseLeaseRunsOutIsOneLoss) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  FromWorker(LinkId(11), LeaseRequest{SessionId(11), 1});
  watch_.Look(*core_, now_);
  now_ += core_->options().lease_ttl;
  SchedulerActions actions;
  core_->OnTick(now_, &actions);
  Act(std::move(actions));
  watch_.Look(*core_, now_);
  watch_.Look(*core_, now_);
  EXPECT_EQ(watch_.job(job_)->recoveries.losses(), 1);
  WorkerUp(LinkId(12), "worker-1");
  EXPECT_EQ(watch_.job(job_)->recoveries.losses(), 1);
}

// Bug: a rollback counted every item that was leased again as a lost worker.
TEST_F(RecoveryWatchTest, ARollbackLosesNobody) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  WorkerUp(LinkId(12), "worker-1");
  const TrainingJob& job = *core_->jobs().at(job_);
  SchedulerActions actions;
  ASSERT_TRUE(core_
                  ->Rollback(job_,
                             {.generation = job.state().generation,
                              .record = {},
                              .what = "to the beginning"},
                             now_, &actions)
                  .ok());
  Act(std::move(actions));
  Register(0, 0);
  Register(1, 0);
  FromWorker(LinkId(12), LeaseRequest{SessionId(12), 1});
  FromWorker(LinkId(11), LeaseRequest{SessionId(11), 1});
  ASSERT_EQ(job.leases().HeldBy(SessionId(12)), std::vector<int64_t>{0});
  EXPECT_EQ(watch_.job(job_)->leases_repeated, 0);
  EXPECT_EQ(watch_.job(job_)->recoveries.losses(), 0);
  EXPECT_TRUE(List().empty());
}

// Bug: after a server's death every item of it counted as a lost worker.
TEST_F(RecoveryWatchTest, ItemsThatAServerLostLoseNoWorker) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  const TrainingJob& job = *core_->jobs().at(job_);
  Marks(0, {0, 0}, 2);
  Marks(1, {0, 0}, 2);
  watch_.Look(*core_, now_);
  watch_.ServerCloses(*core_, kLink, now_);
  ServerUp(SessionId(102));
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(12), "worker-1");
  ASSERT_FALSE(job.leases().HeldBy(SessionId(12)).empty());
  EXPECT_EQ(watch_.job(job_)->recoveries.losses(), 1);  // The server.
  EXPECT_EQ(List().size(), 1u);
  EXPECT_EQ(watch_.job(job_)->leases_repeated, 0);
}

// Bug: of what a server lost, all that was done just before counted.
TEST_F(RecoveryWatchTest, ADoneItemThatAServerLostIsNoRepeatedLease) {
  Register(0, 0);
  Register(1, 0);
  WorkerUp(LinkId(11), "worker-0");
  ItemEnd done;
  done.session = SessionId(11);
  done.job = job_;
  done.generation = core_->jobs().at(job_)->state().generation;
  done.item = {0, 0};
  done.end = LeaseEnd::kDone;
  FromWorker(LinkId(11), done);
  now_ += core_->options().confirm_timeout;
  SchedulerActions actions;
  core_->OnTick(now_, &actions);
  Act(std::move(actions));
  WorkerUp(LinkId(12), "worker-1");
  ASSERT_EQ(core_->jobs().at(job_)->leases().HeldBy(SessionId(12)),
            std::vector<int64_t>{0});
  EXPECT_EQ(watch_.job(job_)->leases_repeated, 0);
}

// Nobody is lost who is helped, and nothing by the loss of one of two.
TEST_F(RecoveryWatchTest, ABackupTaskIsNoRepeatedLease) {
  const LinkId slow(11), fast(12);
  Register(0, 48);
  Register(1, 48);
  WorkerUp(slow, "slow");
  WorkerUp(fast, "fast");
  const TrainingJob& job = *core_->jobs().at(job_);
  Pass();
  FromWorker(fast, ItemEnd{SessionId(12),
                           job_,
                           job.state().generation,
                           {0, 49},
                           LeaseEnd::kDone,
                           0,
                           0,
                           false,
                           "",
                           2});
  FromWorker(fast, LeaseRequest{SessionId(12), 1});
  Pass();
  FromWorker(
      slow,
      Progress{SessionId(11), job_, job.state().generation, {0, 48}, 0, 0, 0});
  ASSERT_EQ(job.leases().backups().count(48), 1u);
  EXPECT_EQ(watch_.job(job_)->leases_repeated, 0);
  watch_.WorkerCloses(*core_, slow, now_);
  EXPECT_TRUE(List().empty());
}

TEST_F(RecoveryWatchTest, AServersPartitionsAreFollowedUntilEachCounts) {
  Register(0, 0);
  Register(1, 0);
  Pass();
  const absl::Time lost_at = now_;
  watch_.ServerCloses(*core_, kLink, now_);
  ServerUp(SessionId(102));
  Pass();
  Register(0, 0);
  EXPECT_EQ(List()[0].resumed, absl::InfiniteFuture());
  Register(1, 0);
  const absl::Time served_at = now_;
  Pass();
  Marks(0, {0, 0}, 1);
  EXPECT_EQ(List()[0].counted, absl::InfiniteFuture());
  Marks(1, {0, 0}, 1);
  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].server, ServerId(0));
  EXPECT_EQ(List()[0].lost, lost_at);
  EXPECT_EQ(List()[0].resumed, served_at);
  EXPECT_EQ(List()[0].counted, now_);
}

TEST_F(RecoveryWatchTest, AJobFromBeforeShowsWhenTheSchedulerWasBack) {
  Watch back(now_ + absl::Seconds(5));
  back.Look(*core_, now_ + absl::Seconds(6));
  ASSERT_EQ(back.job(job_)->recoveries.list().size(), 1u);
  EXPECT_EQ(back.job(job_)->recoveries.list()[0].kind,
            Recovery::Kind::kScheduler);
  watch_.Look(*core_, now_);
  EXPECT_TRUE(List().empty());
}

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

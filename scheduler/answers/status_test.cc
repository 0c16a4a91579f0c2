#include "scheduler/answers/status.h"

#include <cmath>
#include <variant>

#include "gtest/gtest.h"
#include "protocol/known_loss.h"
#include "scheduler/answers/explain_fixture.h"
#include "scheduler/answers/scheduler_admin.h"

namespace ebb::scheduler {
namespace {

TEST(SpeedTest, IsThatOfTheLastSeconds) {
  Speed speed;
  const absl::Time start = absl::FromUnixSeconds(1000);
  EXPECT_EQ(speed.per_second(), 0);
  speed.Add(start, 100);
  EXPECT_EQ(speed.per_second(), 0);
  speed.Add(start + absl::Seconds(1), 300);
  EXPECT_EQ(speed.per_second(), 200);
  for (int i = 2; i <= 10; ++i) {
    speed.Add(start + absl::Seconds(i), 300 + 50 * (i - 1));
  }
  EXPECT_EQ(speed.per_second(), 50);
}

// Bug: programs that waited for batches took the job for cancelled.
TEST(WhyNoJobTest, AJobThatServersMayBringBackIsNotMissing) {
  v1::GetJobRequest request;
  request.set_job(7);
  EXPECT_EQ(WhyNoJob(request, true).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(WhyNoJob(request, false).code(), absl::StatusCode::kNotFound);
}

TEST(WhyNoJobTest, ANameThatNoJobHasIsMissingAtOnce) {
  v1::GetJobRequest request;
  request.set_name("digits");
  EXPECT_EQ(WhyNoJob(request, true).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(WhyNoJob(request, false).code(), absl::StatusCode::kNotFound);
}

class StatusTest : public ExplainFixture {
 protected:
  v1::WorkerStatus::State StateOfA() {
    return StatusOf({*core_, watch_, now_, ""},
                    core_->cluster().workers.at(kFirst))
        .state();
  }
};

TEST_F(StatusTest, AWorkerThatLeavesSaysSo) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_EQ(StateOfA(), v1::WorkerStatus::STATE_WORKING);
  FromWorker(kFirstLink, LeaseRequest{kFirst, 0});
  EXPECT_EQ(StateOfA(), v1::WorkerStatus::STATE_DRAINING);
  // A new connection registers it with no item.
  FromWorker(kFirstLink, RegisterWorker{kFirst, "a"});
  EXPECT_EQ(StateOfA(), v1::WorkerStatus::STATE_IDLE);
}

// Bug: a reason to wait said it, so `ebb status` showed what a job waits for
// that did not wait.
TEST_F(StatusTest, WorkersToSpareAreThoseBeyondWhatItTakes) {
  record_.plan.max_workers = 1;
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  const auto status = [&] {
    return StatusOf({*core_, watch_, now_, ""}, job());
  };
  EXPECT_EQ(status().workers_to_spare(), 0);
  WorkerUp(kSecondLink, kSecond, "b");
  EXPECT_EQ(status().workers_to_spare(), 1);
  EXPECT_EQ(status().waiting_size(), 0);
}

TEST_F(StatusTest, AJobWithoutALimitHasNoWorkersToSpare) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  WorkerUp(kSecondLink, kSecond, "b");
  EXPECT_EQ(StatusOf({*core_, watch_, now_, ""}, job()).workers_to_spare(), 0);
}

TEST_F(StatusTest, AWorkerThatEvaluates) {
  record_.plan.evaluate_every = 1;
  Ready();
  Register(4);
  int64_t snapshot = 0;
  for (const SchedulerAction& action : sent_) {
    const auto* send = std::get_if<SendServer>(&action);
    if (send == nullptr) continue;
    if (const auto* take = std::get_if<TakeSnapshot>(&send->message)) {
      snapshot = take->snapshot;
    }
  }
  const PartitionId first(0), second(1);
  FromServer(SnapshotReply{job_,
                           job().state().generation,
                           snapshot,
                           {{first, job().placement().at(first).drawn},
                            {second, job().placement().at(second).drawn}},
                           8});
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_EQ(StateOfA(), v1::WorkerStatus::STATE_EVALUATING);
}

// Bug: it was a mean in which reports of long ago weighed most, and ended far
// above the loss of the last epoch.
TEST_F(StatusTest, TheRecentLossIsThatOfTheLatestReport) {
  Ready();
  ServerStatistics statistics = Statistics();
  statistics.loss_sum = 1e6;
  statistics.loss_examples = 100;
  FromServer(statistics);
  statistics.loss_sum = 3;
  statistics.loss_examples = 2;
  FromServer(statistics);
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  EXPECT_EQ(StatusOf(picture, job()).recent_loss(), 1.5);
  // Another server knows of none.
  statistics.loss_examples = 0;
  FromServer(statistics);
  EXPECT_EQ(StatusOf(picture, job()).recent_loss(), 1.5);
}

// Bug: what a worker had ever computed was its speed of the seconds after the
// scheduler's start, and its share of the job.
TEST_F(StatusTest, WhatAWorkerDidBeforeTheSchedulersStartIsNoSpeed) {
  Ready();
  RegisterWorker worker{kFirst, "a"};
  worker.examples = 5'000'000;
  FromWorker(kFirstLink, worker);
  FromWorker(kFirstLink, LeaseRequest{kFirst, 1});
  watch_.Look(*core_, now_);
  now_ += absl::Seconds(1);
  Progress progress{kFirst, job_, job().state().generation, {0, 0}};
  progress.examples = 5'000'030;
  FromWorker(kFirstLink, progress);
  watch_.Look(*core_, now_);
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  EXPECT_EQ(StatusOf(picture, core_->cluster().workers.at(kFirst))
                .examples_per_second(),
            30);
  // Bug: a scheduler that cannot write told the last speed for ever.
  const SchedulerShell::Picture full{*core_, watch_, now_ + absl::Minutes(2),
                                     "no room"};
  EXPECT_EQ(StatusOf(full, core_->cluster().workers.at(kFirst)).unheard_ms(),
            0);
  EXPECT_EQ(
      StatusOf(full, core_->cluster().workers.at(kFirst)).examples_per_second(),
      0);
  ASSERT_EQ(StatusOf(picture, job()).shares_size(), 1);
  EXPECT_EQ(StatusOf(picture, job()).shares(0).examples(), 30);
  // Bug: an item that was done before the next report was not counted.
  ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
  end.examples = 5'000'032;
  FromWorker(kFirstLink, end);
  EXPECT_EQ(StatusOf(picture, job()).shares(0).examples(), 32);
}

// Bug: the end of a job that was over for less than a quarter of a second was
// 0.
TEST_F(StatusTest, AJobThatIsOverHasAnEndAtOnce) {
  Ready();
  watch_.Look(*core_, now_);
  const auto finished = [&] {
    return StatusOf({*core_, watch_, now_, ""}, job())
        .summary()
        .finished_unix_ms();
  };
  EXPECT_EQ(finished(), 0);
  now_ += absl::Seconds(1);
  SchedulerActions actions;
  ASSERT_TRUE(core_->Cancel(job_, now_, &actions).ok());
  EXPECT_EQ(finished(), absl::ToUnixMillis(now_));
  const absl::Time end = now_;
  watch_.Look(*core_, now_);
  now_ += absl::Seconds(1);
  EXPECT_EQ(finished(), absl::ToUnixMillis(end));
}

// Bug: nothing said that only the servers had the model.
TEST_F(StatusTest, ACompleteJobSaysWhereItsValuesAre) {
  const auto where = [&] {
    return StatusOf({*core_, watch_, now_, ""}, job()).stored_where();
  };
  ServerUp();
  Submit();
  Register(3, true);
  EXPECT_EQ(where(), "");  // It trains.
  Register(4, true);
  EXPECT_EQ(
      where(),
      "its values are in the --state-dir of ps-0 only; there is no copy. "
      "`ebb checkpoint export test -o FILE.safetensors` takes the model home");
}

TEST_F(StatusTest, ACompleteJobNamesItsCopies) {
  folder_ = "shared";
  ServerUp();
  Submit();
  Register(4, true);
  EXPECT_EQ(StatusOf({*core_, watch_, now_, ""}, job()).stored_where(),
            "its values are in the --state-dir of ps-0, and a copy is in "
            "--shared-checkpoints");
}

TEST_F(StatusTest, LossesAreThoseOfTheLatestReportOfEachEpoch) {
  Ready();
  ServerStatistics statistics = Statistics();
  statistics.updates = 2;
  statistics.losses = {{0, 6.0, 4}};
  FromServer(statistics);
  // It came back with an older version, and goes on.
  statistics.losses = {{0, 3.0, 2}, {9, 1, 1}};
  FromServer(statistics);
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  const v1::JobStatus status = StatusOf(picture, job());
  ASSERT_EQ(status.losses_size(), 1);  // There is one epoch.
  EXPECT_EQ(status.losses(0).mean(), 1.5);
  EXPECT_EQ(status.losses(0).examples(), 2);
  EXPECT_EQ(
      StatusOf(picture, core_->cluster().servers.at(ServerId(0))).updates(), 4);
}

// Bug: it was 0.
TEST_F(StatusTest, ALossThatIsNotKnownIsNoNumber) {
  Ready();
  ServerStatistics statistics = Statistics();
  statistics.losses = {{0, kUnknownLoss, 4}};
  FromServer(statistics);
  const v1::JobStatus status =
      StatusOf(SchedulerShell::Picture{*core_, watch_, now_, ""}, job());
  ASSERT_EQ(status.losses_size(), 1);
  EXPECT_TRUE(std::isnan(status.losses(0).mean()));
  EXPECT_FALSE(status.has_recent_loss());
}

}  // namespace
}  // namespace ebb::scheduler

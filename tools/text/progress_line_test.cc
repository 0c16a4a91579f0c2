#include "tools/text/progress_line.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

Progress Middle() {
  Progress progress;
  progress.epoch = 3;
  progress.epochs = 8;
  progress.applied = 196'800;
  progress.examples = 480'000;
  progress.examples_per_second = 112'345;
  progress.loss = 0.3312;
  progress.test_accuracy = 0.861;
  progress.staleness = 1.92;
  progress.workers = 3;
  progress.workers_wanted = 3;
  progress.servers = 2;
  progress.servers_wanted = 2;
  progress.eta = absl::Seconds(2);
  return progress;
}

TEST(ProgressLineTest, TellsTheRateOfTasksInTheirUnit) {
  Progress progress;
  progress.epochs = 1;
  progress.examples = 60;
  progress.examples_per_second = 2.5;
  progress.rate_unit = "trees";
  EXPECT_THAT(ProgressLogLine(progress), ::testing::HasSubstr(" 2.50 trees/s"));
}

TEST(ProgressLineTest, TellsTheRateOfSequencesInTokens) {
  v1::GetStatusResponse status;
  v1::JobStatus& job = *status.add_jobs();
  job.set_examples(6000);
  job.set_examples_per_second(25);
  job.set_example_tokens(64);
  EXPECT_THAT(ProgressLogLine(ProgressOf(status, 1, 1)),
              ::testing::HasSubstr(" 1.60k tokens/s"));
}

TEST(ProgressLineTest, ShowsEverythingOnAWideTerminal) {
  EXPECT_EQ(ProgressLine(Middle(), {.unicode = true, .columns = 140}),
            "epoch 3/8 ━━━━━━━━━━━━────────────────── "
            " 41%  112k ex/s  loss 0.331  test 0.861  staleness 1.9  "
            "workers 3/3  servers 2/2  eta 2s");
}

// Bug: the line of predictions told an epoch, a loss and a staleness.
TEST(ProgressLineTest, PredictionsAreCounted) {
  Progress predicts = Middle();
  predicts.predicts = true;
  EXPECT_EQ(
      ProgressLine(predicts, {.unicode = false, .columns = 100}),
      "predicted 196,800/480,000 #########--------------  41%  112k ex/s  "
      "workers 3/3  servers 2/2  eta 2s");
  EXPECT_EQ(ProgressLogLine(predicts),
            "predicted 196,800/480,000  41%  112k ex/s  workers 3/3  "
            "servers 2/2  eta 2s");
}

TEST(ProgressLineTest, LeavesOutTheLeastImportantFiguresWhereItIsNarrow) {
  EXPECT_EQ(ProgressLine(Middle(), {.unicode = false, .columns = 80}),
            "epoch 3/8 ########------------- "
            " 41%  112k ex/s  loss 0.331  test 0.861  eta 2s");
  EXPECT_EQ(ProgressLine(Middle(), {.unicode = false, .columns = 50}),
            "epoch 3/8 #####---------  41%  loss 0.331  eta 2s");
  EXPECT_EQ(ProgressLine(Middle(), {.unicode = false, .columns = 20}),
            "epoch 3/8 #---  41%");
}

TEST(ProgressLineTest, SpeaksTheFiguresOfTheTask) {
  Progress classes = Middle();
  classes.test_auc = 0.912;
  EXPECT_EQ(ProgressLine(classes, {.unicode = false, .columns = 100}),
            "epoch 3/8 ######-----------  41%  112k ex/s  loss 0.331  "
            "test 0.861  auc 0.912  servers 2/2  eta 2s");
  Progress values = Middle();
  values.rmse = 54.25;
  values.test_accuracy.reset();
  values.test_loss = 0.4;
  values.test_rmse = 48123.456;
  EXPECT_EQ(ProgressLine(values, {.unicode = false, .columns = 100}),
            "epoch 3/8 #######-----------  41%  112k ex/s  rmse 54.250  "
            "test rmse 48,123.46  servers 2/2  eta 2s");
}

TEST(ProgressLineTest, ClustersHaveAnInertia) {
  Progress clusters = Middle();
  clusters.test_accuracy.reset();
  clusters.inertia = 1952602.5;
  EXPECT_EQ(ProgressLine(clusters, {.unicode = false, .columns = 80}),
            "epoch 3/8 ####------  41%  112k ex/s  inertia 1,952,602.50  "
            "servers 2/2  eta 2s");
}

TEST(ProgressLineTest, TreesAreJudgedByExamplesThatAreKeptBack) {
  v1::GetStatusResponse status;
  v1::JobStatus::Validation& known = *status.add_jobs()->mutable_validation();
  known.set_trees(5);
  known.set_best_trees(3);
  known.set_best_loss(0.25);
  EXPECT_THAT(
      ProgressLogLine(ProgressOf(status, 1, 1)),
      ::testing::HasSubstr("  best 3 of 5 trees, validation loss 0.250  "));
}

TEST(ProgressLineTest, RestartsHaveABestOne) {
  v1::GetStatusResponse status;
  v1::JobStatus& job = *status.add_jobs();
  job.set_examples(10);
  job.set_applied_min(3);
  job.mutable_summary()->set_epochs(1);
  EXPECT_FALSE(ProgressOf(status, 1, 1).inertia);
  job.mutable_inertia()->set_epoch(-1);
  job.mutable_inertia()->set_sum(25.5);
  EXPECT_THAT(ProgressLogLine(ProgressOf(status, 1, 1)),
              ::testing::HasSubstr("inertia 25.5000, best of 3/10 runs"));
}

TEST(ProgressLineTest, SaysWhyItIsLessThanBefore) {
  Progress less = Middle();
  less.taken_back = 1200;
  EXPECT_THAT(ProgressLogLine(less),
              ::testing::HasSubstr(" 41%  112k ex/s  1.20k taken back  loss"));
}

TEST(ProgressLineTest, TheTrainingLossOfValuesIsAnRmse) {
  v1::JobStatus job;
  EXPECT_EQ(TrainingRmse(job, 2), std::nullopt);
  job.set_squared_loss(true);
  EXPECT_EQ(TrainingRmse(job, 2), 2);
}

TEST(ProgressLineTest, NeverFillsTheLastColumn) {
  Progress waits = Middle();
  waits.waiting = std::string(100, 'x');
  for (int columns = 16; columns < 250; ++columns) {
    const Console console{.color = true, .unicode = true, .columns = columns};
    EXPECT_LT(DisplayWidth(ProgressLine(Middle(), console)), columns);
    EXPECT_LT(DisplayWidth(ProgressLine(waits, console)), columns);
  }
}

// Bug: it was the first to be left out.
TEST(ProgressLineTest, SaysWhatAJobWaitsForBeforeAllFigures) {
  Progress waits = Middle();
  waits.waiting = "ps 0 refused 7 pushes 0 s ago: table 'weights' is full";
  waits.eta.reset();
  EXPECT_EQ(ProgressLine(waits, {.unicode = false, .columns = 80}),
            "epoch 3/8 ####------  41%  loss 0.331  "
            "waiting: ps 0 refused 7 pushes 0 s ag...");
  EXPECT_EQ(ProgressLine(waits, {.unicode = true, .columns = 70}),
            "epoch 3/8 ━━━━──────  41%  "
            "waiting: ps 0 refused 7 pushes 0 s ago: t…");
  waits.waiting = "ps 0 is away";
  EXPECT_EQ(ProgressLine(waits, {.unicode = false, .columns = 80}),
            "epoch 3/8 #######-----------  41%  112k ex/s  loss 0.331  "
            "waiting: ps 0 is away");
}

TEST(ProgressLineTest, PaintsTheBar) {
  Progress half = Middle();
  half.applied = 240'000;
  const std::string line =
      ProgressLine(half, {.color = true, .unicode = true, .columns = 140});
  EXPECT_THAT(line, ::testing::StartsWith(
                        "epoch 3/8 \x1b[32m━━━━━━━━━━━━━━━\x1b[0m\x1b[2m"
                        "━━━━━━━━━━━━━━━\x1b[0m  50%"));
}

TEST(ProgressLineTest, LogLineHasNoBarAndAllFigures) {
  Progress progress = Middle();
  progress.waiting = "server 1 is away";
  progress.workers = 2;
  EXPECT_EQ(ProgressLogLine(progress),
            "epoch 3/8  41%  112k ex/s  loss 0.331  test 0.861  "
            "staleness 1.9  workers 2/3  servers 2/2  eta 2s  "
            "waiting: server 1 is away");
}

TEST(ProgressLineTest, SaysByHowMuchLateUpdatesAreScaled) {
  Progress progress = Middle();
  progress.scale = 1;
  EXPECT_EQ(ProgressLogLine(progress), ProgressLogLine(Middle()));
  progress.scale = 0.714;
  EXPECT_EQ(ProgressLogLine(progress),
            "epoch 3/8  41%  112k ex/s  loss 0.331  test 0.861  "
            "staleness 1.9  scaled by 0.71  workers 3/3  servers 2/2  eta 2s");
}

TEST(ProgressLineTest, SaysWhatLateUpdatesCountAsAndHowLongWorkersWaited) {
  Progress progress = Middle();
  progress.effective_staleness = 1.93;
  progress.bound_wait = 0;
  EXPECT_EQ(ProgressLogLine(progress), ProgressLogLine(Middle()));
  progress.effective_staleness = 1.4;
  progress.bound_wait = 12.3;
  EXPECT_EQ(ProgressLogLine(progress),
            "epoch 3/8  41%  112k ex/s  loss 0.331  test 0.861  "
            "staleness 1.9 (effective 1.4)  waited 12s  workers 3/3  "
            "servers 2/2  eta 2s");
}

TEST(ProgressLineTest, SaysWhatTheStatusSays) {
  v1::GetStatusResponse status;
  status.add_servers()->set_connected(true);
  status.add_servers()->set_connected(false);
  status.add_workers();
  v1::JobStatus* job = status.add_jobs();
  job->mutable_summary()->set_epochs(8);
  job->set_examples(480'000);
  job->set_applied_min(130'000);
  job->set_examples_per_second(50'000);
  job->add_losses()->set_mean(0.9);
  job->set_recent_loss(0.5);
  auto* evaluation = job->add_evaluations();
  evaluation->set_accuracy(0.8);
  evaluation->set_loss(0.6);
  for (const int64_t count : {0, 2, 2}) job->add_staleness(count);
  job->mutable_scaled()->set_updates(4);
  job->mutable_scaled()->set_factor_sum(2);
  job->mutable_scaled()->set_scaled_staleness(3);

  const Progress progress = ProgressOf(status, 3, 2);
  EXPECT_EQ(progress.epoch, 3);
  EXPECT_EQ(progress.epochs, 8);
  EXPECT_EQ(progress.applied, 130'000);
  EXPECT_EQ(progress.loss, 0.5);
  EXPECT_EQ(progress.test_accuracy, 0.8);
  EXPECT_EQ(progress.staleness, 1.5);
  EXPECT_EQ(progress.scale, 0.5);
  EXPECT_EQ(progress.effective_staleness, 1.5);
  EXPECT_EQ(progress.bound_wait, std::nullopt);
  EXPECT_EQ(progress.workers, 1);
  EXPECT_EQ(progress.workers_wanted, 3);
  EXPECT_EQ(progress.servers, 1);
  EXPECT_EQ(progress.servers_wanted, 2);
  EXPECT_EQ(progress.eta, absl::Seconds(7));
}

TEST(ProgressLineTest, AFinishedJobIsInItsLastEpochWithoutEta) {
  v1::GetStatusResponse status;
  v1::JobStatus* job = status.add_jobs();
  job->mutable_summary()->set_epochs(2);
  job->set_examples(200);
  job->set_applied_min(200);
  job->set_examples_per_second(10);
  const Progress progress = ProgressOf(status, 1, 1);
  EXPECT_EQ(progress.epoch, 2);
  EXPECT_EQ(progress.fraction(), 1);
  EXPECT_FALSE(progress.eta.has_value());
}

TEST(ProgressLineTest, WhatToDoIsForExplain) {
  v1::GetStatusResponse status;
  status.add_jobs()->add_waiting()->set_text(
      "ps 0 is away. What to do: start `ebb-ps --id 0` with its --state-dir");
  EXPECT_EQ(ProgressOf(status, 1, 1).waiting, "ps 0 is away");
  status.mutable_jobs(0)->mutable_waiting(0)->set_text("ps 0 is loading");
  EXPECT_EQ(ProgressOf(status, 1, 1).waiting, "ps 0 is loading");
  status.mutable_jobs(0)->mutable_waiting(0)->set_text(
      "worker-1 refuses this job: is it whole? What to do: mend that");
  EXPECT_EQ(ProgressOf(status, 1, 1).waiting,
            "worker-1 refuses this job: is it whole?");
}

TEST(ProgressLineTest, AJobDoesNotWaitForWorkersThatItLeavesToOthers) {
  v1::GetStatusResponse status;
  status.add_jobs()->set_workers_to_spare(5);
  EXPECT_EQ(ProgressOf(status, 6, 6).waiting, "");
}

TEST(ProgressLineTest, TellsARateThatIsNotTheJobFiles) {
  EXPECT_EQ(RateText(1, 0), "");
  EXPECT_EQ(RateText(0, 0), "");  // Of an older scheduler.
  EXPECT_EQ(RateText(0.25, 0), "0.25 times the rate of the job file");
  EXPECT_EQ(RateText(0.5, 1),
            "0.5 times the rate of the job file, after 1 rollback by itself");
  EXPECT_EQ(RateText(0.25, 2),
            "0.25 times the rate of the job file, after 2 rollbacks by itself");
}

TEST(ProgressLineTest, HistogramsHaveMeansAndQuantiles) {
  EXPECT_EQ(MeanOfHistogram({}), std::nullopt);
  EXPECT_EQ(MeanOfHistogram({1, 0, 1}), 1.0);
  EXPECT_EQ(QuantileOfHistogram({}, 0.5), 0);
  EXPECT_EQ(QuantileOfHistogram({5, 4, 1}, 0.5), 0);
  EXPECT_EQ(QuantileOfHistogram({5, 4, 1}, 0.9), 1);
  EXPECT_EQ(QuantileOfHistogram({5, 4, 1}, 0.99), 2);
  EXPECT_EQ(QuantileOfHistogram({0, 0, 1, 0}, 1), 2);
}

}  // namespace
}  // namespace ebb::tools

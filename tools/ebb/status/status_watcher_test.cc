#include "tools/ebb/status/status_watcher.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/status/kill_plan.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StatusWatcherTest : public ::testing::Test {
 protected:
  std::vector<std::string> Update() {
    std::vector<std::string> texts;
    for (const Notice& notice : watcher_.Update(status_, now_)) {
      texts.push_back(notice.text);
    }
    return texts;
  }
  v1::WorkerStatus* AddWorker(uint64_t session, const std::string& name) {
    v1::WorkerStatus* worker = status_.add_workers();
    worker->set_session(session);
    worker->set_name(name);
    return worker;
  }
  static void Hold(v1::WorkerStatus* worker, int epoch, int shard,
                   int64_t position) {
    auto* item = worker->add_items();
    item->mutable_item()->set_epoch(epoch);
    item->mutable_item()->set_shard(shard);
    item->set_position(position);
  }

  StatusWatcher watcher_;
  v1::GetStatusResponse status_;
  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(StatusWatcherTest, TellsWhoTookTheItemOfALostWorker) {
  Hold(AddWorker(1, "worker-0"), 2, 17, 1280);
  AddWorker(2, "worker-1");
  EXPECT_THAT(Update(), IsEmpty());
  status_.clear_workers();
  v1::WorkerStatus* other = AddWorker(2, "worker-1");
  EXPECT_THAT(Update(),
              ElementsAre("worker-0 lost, with item 3/18 from example 1,280"));
  now_ += absl::Milliseconds(40);
  Hold(other, 2, 17, 1280);
  EXPECT_THAT(Update(), ElementsAre("item 3/18 of worker-0 went to worker-1 "
                                    "after 0.04 s"));
  AddWorker(3, "worker-0");
  EXPECT_THAT(Update(), ElementsAre("worker-0 is back"));
  EXPECT_THAT(Update(), IsEmpty());
}

// "worker-0 lost" and "worker-0 is back" came in turns, without a cause.
TEST_F(StatusWatcherTest, WhoIsLostAndRunsWasNotHeard) {
  std::map<std::string, int64_t> processes = {{"worker-0", 70}, {"ps-1", 80}};
  watcher_ = StatusWatcher(
      [&](const std::string& daemon) { return processes[daemon]; });
  v1::ServerStatus* server = status_.add_servers();
  server->set_server(1);
  server->set_connected(true);
  server->set_process_id(80);
  AddWorker(1, "worker-0")->set_process_id(70);
  EXPECT_THAT(Update(), IsEmpty());
  status_.clear_workers();
  server->set_connected(false);
  EXPECT_THAT(
      Update(),
      ElementsAre("ps-1 lost (its process runs: "
                  "it was not heard in time)",
                  "worker-0 lost (its process runs: it was not heard in "
                  "time)"));
  AddWorker(2, "worker-0")->set_process_id(70);
  EXPECT_THAT(Update(), ElementsAre("worker-0 is back"));
  status_.clear_workers();
  processes["worker-0"] = 71;  // Another life.
  EXPECT_THAT(Update(), ElementsAre("worker-0 lost"));
}

// Bug: damaged files were set aside, and a run said only "ps-1 is back".
TEST_F(StatusWatcherTest, TellsOfADamagedStoreOnceWhatItCostIsKnown) {
  v1::ServerStatus* server = status_.add_servers();
  server->set_server(1);
  server->set_session(7);
  server->set_connected(true);
  EXPECT_THAT(Update(), IsEmpty());
  v1::StoreDamage* damage = server->mutable_store_damage();
  damage->set_rescues(1);
  damage->set_found("a checksum");
  damage->set_set_aside("/s/db.damaged-1");
  damage->set_versions_kept(3);
  EXPECT_THAT(Update(), IsEmpty());
  server->set_partitions(2);
  server->set_store_damage_cost(1200);
  const std::vector<Notice> notices = watcher_.Update(status_, now_);
  ASSERT_THAT(notices, SizeIs(1));
  EXPECT_TRUE(notices[0].lasting);
  EXPECT_EQ(notices[0].text,
            "ps-1: its store is damaged: a checksum; 3 versions in it could be "
            "read and went on in a new store; the damaged files are in "
            "/s/db.damaged-1 (delete them when you need not look at them); "
            "up to 1,200 examples are computed again");
  EXPECT_THAT(Update(), IsEmpty());
  // Its partitions went to others.
  damage->set_versions_lost(1);
  damage->set_last_lost("version (3, 4)");
  server->set_partitions(0);
  EXPECT_THAT(Update(), IsEmpty());
  now_ += absl::Seconds(20);
  EXPECT_THAT(Update(),
              ElementsAre(HasSubstr("1 stored version could not be used, so "
                                    "copies or older ones stood in: version "
                                    "(3, 4)")));
}

TEST_F(StatusWatcherTest, TellsOfServersThatComeAndGo) {
  v1::ServerStatus* server = status_.add_servers();
  server->set_server(1);
  server->set_connected(true);
  server->set_partitions(7);
  EXPECT_THAT(Update(), IsEmpty());
  server->set_connected(false);
  EXPECT_THAT(Update(), ElementsAre("ps-1 lost; its 7 partitions wait for it"));
  server->set_connected(true);
  server->set_problem("disk full: cannot write a");
  EXPECT_THAT(Update(),
              ElementsAre("ps-1 is back", "ps-1: disk full: cannot write a"));
  server->set_problem("disk full: cannot write b");
  EXPECT_THAT(Update(), IsEmpty());
  // Bug: a folder that cannot be written was told again every second.
  server->set_problem("cannot write: new-1");
  EXPECT_THAT(Update(), ElementsAre("ps-1: cannot write: new-1"));
  server->set_problem("cannot write: new-2");
  EXPECT_THAT(Update(), IsEmpty());
  // Bug: it was said again for each push that was refused.
  server->set_problem("table 'w': it has 10 of at most 10");
  EXPECT_THAT(Update(), SizeIs(1));
  server->set_problem("table 'w': it has 9 of at most 10");
  EXPECT_THAT(Update(), IsEmpty());
  server->set_problem("cannot read version 9");
  EXPECT_THAT(Update(), SizeIs(1));
  server->set_problem("cannot read version 8");
  EXPECT_THAT(Update(), SizeIs(1));
}

TEST_F(StatusWatcherTest, ASchedulersNewLifeIsNobodysLoss) {
  status_.set_process_id(100);
  v1::ServerStatus* server = status_.add_servers();
  server->set_server(1);
  server->set_connected(true);
  Hold(AddWorker(1, "worker-0"), 2, 17, 1280);
  AddWorker(2, "worker-1");
  EXPECT_THAT(Update(), IsEmpty());
  status_.set_process_id(200);
  server->set_connected(false);
  status_.clear_workers();
  EXPECT_THAT(Update(), ElementsAre("the scheduler is back"));
  server->set_connected(true);
  v1::WorkerStatus* worker = AddWorker(1, "worker-0");
  Hold(worker, 2, 17, 1280);
  EXPECT_THAT(Update(), IsEmpty());
  // worker-1 does not come.
  now_ += absl::Seconds(10);
  EXPECT_THAT(Update(), ElementsAre("worker-1 lost"));
  server->set_connected(false);
  EXPECT_THAT(Update(), ElementsAre("ps-1 lost"));
}

// Servers that came back between two looks, or soon after the scheduler did,
// were never spoken of.
TEST_F(StatusWatcherTest, TellsOfServersThatCameBackUnseen) {
  status_.set_process_id(100);
  v1::ServerStatus* server = status_.add_servers();
  server->set_server(1);
  server->set_session(11);
  server->set_connected(true);
  EXPECT_THAT(Update(), IsEmpty());
  server->set_session(12);
  EXPECT_THAT(Update(), ElementsAre("ps-1 was lost, and is back"));
  // It dies with the scheduler.
  status_.set_process_id(200);
  server->set_connected(false);
  EXPECT_THAT(Update(), ElementsAre("the scheduler is back"));
  server->set_session(13);
  server->set_connected(true);
  EXPECT_THAT(Update(), ElementsAre("ps-1 was lost, and is back"));
  // Bug: not even this was told of it.
  server->set_session(20);
  server->set_lost_store(true);
  EXPECT_THAT(Update(),
              ElementsAre("ps-1 was lost, and is back with an empty folder"));
  // Bug: it was told again when the same life was connected anew.
  server->set_connected(false);
  EXPECT_THAT(Update(), ElementsAre("ps-1 lost"));
  server->set_connected(true);
  EXPECT_THAT(Update(), ElementsAre("ps-1 is back"));
  server->set_lost_store(false);
  // The scheduler is new, but has heard of it.
  server->set_connected(false);
  EXPECT_THAT(Update(), ElementsAre("ps-1 lost"));
  server->set_session(14);
  server->set_connected(true);
  EXPECT_THAT(Update(), ElementsAre("ps-1 is back"));
}

TEST_F(StatusWatcherTest, AWorkerThatANewSchedulerHeardOfIsLostAtOnce) {
  status_.set_process_id(100);
  AddWorker(1, "worker-0");
  EXPECT_THAT(Update(), IsEmpty());
  status_.set_process_id(200);
  EXPECT_THAT(Update(), ElementsAre("the scheduler is back"));
  status_.clear_workers();
  EXPECT_THAT(Update(), ElementsAre("worker-0 lost"));
}

TEST_F(StatusWatcherTest, SaysHowMuchFurtherTheEvaluatedModelIs) {
  v1::JobStatus* job = status_.add_jobs();
  job->mutable_summary()->set_epochs(4);
  job->set_examples(4000);
  auto* evaluation = job->add_evaluations();
  evaluation->set_accuracy(-1);
  evaluation->set_loss(2);
  evaluation->set_position(1090);
  EXPECT_THAT(Update(), ElementsAre("epoch 1: test loss 2.0000"));
  evaluation = job->add_evaluations();
  evaluation->set_epoch(1);
  evaluation->set_accuracy(-1);
  evaluation->set_loss(2);
  evaluation->set_position(3300);
  EXPECT_THAT(
      Update(),
      ElementsAre("epoch 2: test loss 2.0000 (model 1.3 epochs further)"));
}

TEST_F(StatusWatcherTest, AWorkerThatDiedWithTheSchedulerIsLost) {
  status_.set_process_id(100);
  Hold(AddWorker(1, "worker-0"), 2, 17, 1280);
  EXPECT_THAT(Update(), IsEmpty());
  status_.set_process_id(200);
  status_.clear_workers();
  EXPECT_THAT(Update(), ElementsAre("the scheduler is back"));
  AddWorker(3, "worker-0");
  EXPECT_THAT(Update(),
              ElementsAre("worker-0 lost, with item 3/18 from example 1,280",
                          "worker-0 is back"));
}

TEST_F(StatusWatcherTest, TellsTheFiguresOfAnEvaluation) {
  v1::JobStatus* job = status_.add_jobs();
  auto* evaluation = job->add_evaluations();
  evaluation->set_accuracy(0.86123);
  evaluation->set_loss(0.4);
  const auto add = [&](const char* name, double value) {
    auto* named = evaluation->mutable_figures()->add_named();
    named->set_name(name);
    named->set_value(value);
  };
  add("log_loss", 0.4);
  add("auc", 0.91);
  add("f1", 0.5);
  add("precision", 0.25);
  add("baseline_accuracy", 0.5);
  EXPECT_THAT(Update(), ElementsAre("epoch 1: test accuracy 0.8612, log loss "
                                    "0.4000, AUC 0.9100, F1 0.5000"));
  evaluation = job->add_evaluations();
  evaluation->set_epoch(1);
  evaluation->set_accuracy(-1);
  evaluation->set_loss(0.5);
  add("rmse", 48123.456);
  add("r2", 0.75);
  EXPECT_THAT(Update(), ElementsAre("epoch 2: test RMSE 48,123.46, R2 0.7500"));
}

TEST_F(StatusWatcherTest, TellsADivergenceOnceAndThatItIsOver) {
  v1::JobStatus* job = status_.add_jobs();
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  job->set_divergence("the training loss is 2.5");
  EXPECT_THAT(Update(), ElementsAre("the training loss is 2.5"));
  job->set_divergence("the training loss is 2.5, and more is known");
  EXPECT_THAT(Update(), IsEmpty());
  job->clear_divergence();
  EXPECT_THAT(Update(), ElementsAre("the training loss is back"));
}

TEST_F(StatusWatcherTest, TellsOnceOfUpdatesThatCountForNothing) {
  v1::JobStatus* job = status_.add_jobs();
  job->set_late_updates("2 % were too late");
  EXPECT_THAT(Update(), ElementsAre("2 % were too late"));
  EXPECT_THAT(Update(), IsEmpty());
  job->clear_late_updates();
  EXPECT_THAT(Update(), IsEmpty());
  job->set_late_updates("3 % were too late");  // A scheduler's new life.
  EXPECT_THAT(Update(), IsEmpty());
}

TEST_F(StatusWatcherTest, TellsEvaluationsOnce) {
  v1::JobStatus* job = status_.add_jobs();
  auto* evaluation = job->add_evaluations();
  evaluation->set_accuracy(0.86123);
  evaluation->set_loss(0.4);
  EXPECT_THAT(Update(),
              ElementsAre("epoch 1: test accuracy 0.8612, loss 0.4000"));
  evaluation = job->add_evaluations();
  evaluation->set_epoch(1);
  evaluation->set_accuracy(-1);
  evaluation->set_loss(2);
  EXPECT_THAT(Update(), ElementsAre("epoch 2: test loss 2.0000"));
  evaluation = job->add_evaluations();
  evaluation->set_epoch(2);
  evaluation->set_error("no worker");
  EXPECT_THAT(Update(), ElementsAre("epoch 3: not evaluated: no worker"));
  // A rollback opens the last epoch again.
  const v1::JobStatus before = *job;
  job->mutable_evaluations()->RemoveLast();
  EXPECT_THAT(Update(), IsEmpty());
  *job = before;
  EXPECT_THAT(Update(), ElementsAre("epoch 3: not evaluated: no worker"));
}

// Bug: there was a line for every worker that met the same values.
TEST_F(StatusWatcherTest, TellsOneOfTheBatchesWithoutAFiniteGradient) {
  v1::JobStatus* const job = status_.add_jobs();
  const auto add = [&](int shard) {
    auto* bad = job->add_quarantined();
    bad->mutable_item()->set_shard(shard);
    bad->set_failures(1);
    bad->set_error("non-finite gradient");
    bad->set_non_finite(true);
  };
  EXPECT_THAT(Update(), IsEmpty());
  add(1);
  add(2);
  EXPECT_THAT(Update(), ElementsAre("item 1/2 is quarantined after 1 failure: "
                                    "non-finite gradient"));
  add(3);
  EXPECT_THAT(Update(), IsEmpty());
  job->clear_quarantined();
  EXPECT_THAT(Update(), IsEmpty());
  add(4);
  EXPECT_THAT(Update(), ElementsAre(HasSubstr("item 1/5")));
}

TEST_F(StatusWatcherTest, TellsOfQuarantineAndOfAJobThatOpensAgain) {
  v1::JobStatus* job = status_.add_jobs();
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  EXPECT_THAT(Update(), IsEmpty());
  auto* bad = job->add_quarantined();
  bad->mutable_item()->set_epoch(1);
  bad->mutable_item()->set_shard(4);
  bad->set_failures(3);
  bad->set_error("the worker died");
  job->mutable_summary()->set_state(v1::JOB_STATE_PAUSED);
  EXPECT_THAT(Update(),
              ElementsAre("item 2/5 is quarantined after 3 failures in a row: "
                          "the worker died",
                          "the job is paused"));
  job->clear_quarantined();
  job->mutable_summary()->set_state(v1::JOB_STATE_COMPLETE);
  EXPECT_THAT(Update(), IsEmpty());
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  EXPECT_THAT(Update(), ElementsAre("the job was complete, and is open again: "
                                    "a server came back with less"));
}

// Bug: nothing told of them.
TEST_F(StatusWatcherTest, TellsOfBatchesThatAreSkippedMoreAndMoreSeldom) {
  v1::JobStatus* job = status_.add_jobs();
  const auto skip = [&](int32_t batches) {
    while (job->skipped_size() < batches) {
      v1::SkippedRange* range = job->add_skipped();
      range->mutable_item()->set_shard(3);
      range->set_begin(20 * job->skipped_size());
      range->set_end(range->begin() + 20);
    }
    return Update();
  };
  EXPECT_THAT(skip(0), IsEmpty());
  EXPECT_THAT(skip(1),
              ElementsAre("examples [20, 40) of item 1/4 are skipped: their "
                          "batch failed"));
  EXPECT_THAT(skip(1), IsEmpty());
  EXPECT_THAT(skip(9), SizeIs(2));
  EXPECT_THAT(skip(12), ElementsAre("12 batches are skipped by now, 240 "
                                    "examples"));
  EXPECT_THAT(skip(99), IsEmpty());
  EXPECT_THAT(skip(1234), ElementsAre(HasSubstr("1,234 batches")));
}

TEST(AfterFailuresTest, SaysNothingOfNone) {
  EXPECT_EQ(AfterFailures(0), "");
  EXPECT_EQ(AfterFailures(1), " after 1 failure");
  EXPECT_EQ(AfterFailures(2), " after 2 failures in a row");
}

// A daemon that was told to end by plan "was lost", too.
TEST_F(StatusWatcherTest, WhoLeavesInGoodOrderIsNotLost) {
  v1::ServerStatus* server = status_.add_servers();
  server->set_server(1);
  server->set_session(11);
  server->set_connected(true);
  server->set_partitions(7);
  Hold(AddWorker(1, "worker-0"), 2, 17, 1280);
  Hold(AddWorker(2, "worker-1"), 2, 18, 0);
  EXPECT_THAT(Update(), IsEmpty());
  watcher_.Left("worker-0");
  status_.mutable_workers(1)->set_state(v1::WorkerStatus::STATE_DRAINING);
  EXPECT_THAT(Update(), IsEmpty());
  status_.clear_workers();
  EXPECT_THAT(Update(), IsEmpty());
  AddWorker(3, "worker-0");
  AddWorker(4, "worker-1");
  EXPECT_THAT(Update(), ElementsAre("worker-0 is back", "worker-1 is back"));
  watcher_.Left("ps-1");
  server->set_session(12);
  EXPECT_THAT(Update(), ElementsAre("ps-1 left, and is back"));
  // It hands over what it has, and tells so; then what nobody takes.
  server->set_leaving(true);
  server->set_partitions(0);
  EXPECT_THAT(Update(), IsEmpty());
  server->set_connected(false);
  EXPECT_THAT(Update(), IsEmpty());
  server->set_connected(true);
  server->set_partitions(2);
  EXPECT_THAT(Update(), ElementsAre("ps-1 is back"));
  server->set_connected(false);
  server->set_leaving(false);
  server->set_partitions(0);
  EXPECT_THAT(Update(),
              ElementsAre("ps-1 has left; its 2 partitions wait for it"));

  // It is back, and lost like any other.
  server->set_connected(true);
  EXPECT_THAT(Update(), ElementsAre("ps-1 is back"));
  server->set_session(13);
  status_.clear_workers();
  EXPECT_THAT(Update(), ElementsAre("ps-1 was lost, and is back",
                                    "worker-0 lost", "worker-1 lost"));
}

TEST_F(StatusWatcherTest, TellsThatTheJobIsPausedGoesOnAndRollsBack) {
  v1::JobStatus* job = status_.add_jobs();
  job->set_rolled_back("to round 3: before this run");
  job->mutable_summary()->set_generation(1);
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  EXPECT_THAT(Update(), IsEmpty());
  job->mutable_summary()->set_state(v1::JOB_STATE_PAUSED);
  EXPECT_THAT(Update(), ElementsAre("the job is paused"));
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  EXPECT_THAT(Update(), ElementsAre("the job goes on"));
  job->mutable_summary()->set_state(v1::JOB_STATE_COMPLETE);
  EXPECT_THAT(Update(), IsEmpty());
  job->mutable_summary()->set_generation(2);
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  job->set_rolled_back("to the version 1 before the newest");
  EXPECT_THAT(Update(), ElementsAre("the job rolled back to the version 1 "
                                    "before the newest"));
}

// Bug: it was called a rollback.
TEST_F(StatusWatcherTest, TellsThatTheJobConverged) {
  v1::JobStatus* job = status_.add_jobs();
  job->mutable_summary()->set_generation(1);
  job->mutable_summary()->set_epochs(100);
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  EXPECT_THAT(Update(), IsEmpty());
  job->mutable_summary()->set_generation(2);
  job->mutable_summary()->set_epochs(3);
  EXPECT_THAT(Update(), ElementsAre("converged after 3 rounds"));
}

TEST(KillPlanTest, TakesRolesInTurnOncePerPeriodAsTheSeedSays) {
  const KillPointsByRole points = {{"s"}, {"p", "q"}, {"w"}};
  KillPlan plan(absl::Seconds(2), 7, 2, 3, points);
  KillPlan same(absl::Seconds(2), 7, 2, 3, points);
  KillPlan other(absl::Seconds(2), 8, 2, 3, points);
  bool differs = false;
  for (int i = 0; i < 60; ++i) {
    const Kill kill = plan.next();
    EXPECT_GE(kill.after, absl::Seconds(2) * i);
    EXPECT_LT(kill.after, absl::Seconds(2) * (i + 1));
    const std::string role = kill.daemon.substr(0, kill.daemon.find('-'));
    EXPECT_EQ(role,
              (std::vector<std::string>{"worker", "ps", "scheduler"})[i % 3]);
    EXPECT_EQ(kill.then_at.empty(), i / 3 % 2 == 0);
    // The servers' second kill, and their fourth.
    if (i % 12 == 4) {
      EXPECT_EQ(kill.then_at.substr(0, 2), "p:");
    } else if (i % 12 == 10) {
      EXPECT_EQ(kill.then_at.substr(0, 2), "q:");
    }
    EXPECT_EQ(kill.then_at, same.next().then_at);
    EXPECT_EQ(kill.daemon, same.next().daemon);
    EXPECT_EQ(kill.after, same.next().after);
    differs |= kill.after != other.next().after;
    plan.Advance();
    same.Advance();
    other.Advance();
  }
  EXPECT_TRUE(differs);
}

TEST_F(StatusWatcherTest, WhoIsLetGoIsNotLost) {
  Hold(AddWorker(1, "worker-0"), 2, 17, 1280);
  v1::ServerStatus* server = status_.add_servers();
  server->set_server(3);
  server->set_connected(true);
  server->set_session(7);
  EXPECT_THAT(Update(), IsEmpty());
  watcher_.LetGo("worker-0");
  watcher_.LetGo("ps-3");
  status_.clear_workers();
  server->set_connected(false);
  EXPECT_THAT(Update(), IsEmpty());
  status_.clear_servers();
  EXPECT_THAT(Update(), IsEmpty());

  // They are awaited again, and then lost like any other.
  watcher_.Await("worker-0");
  watcher_.Await("ps-3");
  AddWorker(2, "worker-0");
  server = status_.add_servers();
  server->set_server(3);
  server->set_connected(true);
  server->set_session(8);
  EXPECT_THAT(Update(), IsEmpty());
  status_.clear_workers();
  server->set_connected(false);
  EXPECT_THAT(Update(), ElementsAre("ps-3 lost", "worker-0 lost"));
}

}  // namespace
}  // namespace ebb::tools

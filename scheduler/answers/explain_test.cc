#include "scheduler/answers/explain.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scheduler/answers/explain_fixture.h"
#include "scheduler/answers/job_progress.h"
#include "scheduler/answers/reasons.h"
#include "scheduler/answers/status.h"

namespace ebb::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Reason = v1::WaitReason;

using ExplainTest = ExplainFixture;

TEST_F(ExplainTest, AJobThatAdvancesNeedsNoExplanation) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_THAT(Explain(), IsEmpty());
}

TEST_F(ExplainTest, NoWorkers) {
  Ready();
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS), HasSubstr("ebb-worker"));
}

TEST_F(ExplainTest, FewerWorkersThanTheJobBeginsWith) {
  record_.plan.min_workers = 2;
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS),
              HasSubstr("begins with 2 workers (workers.min); there are 1"));
  WorkerUp(kSecondLink, kSecond, "b");
  EXPECT_THAT(Explain(), IsEmpty());
}

TEST_F(ExplainTest, OnlyWorkersOfOtherJobs) {
  Ready();
  RegisterWorker picky{kFirst, "picky"};
  picky.only_job = JobId(job_.value() + 1);
  FromWorker(kFirstLink, picky);
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS),
              HasSubstr("none of the 1 workers can work on this job"));
}

TEST_F(ExplainTest, NoProgramThatComputesTheJob) {
  SchedulerOptions options;
  options.training_facts = [](const JobRecord&) {
    return job::TrainingFacts{.only_programs = true};
  };
  Restart(options);
  Ready();
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS),
              HasSubstr("waits for a program that computes it"));
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS),
              AllOf(HasSubstr("waits for a program that computes it; none of "
                              "the 1 workers can work on this job: 1 that "
                              "compute only models of ebb's own"),
                    Not(HasSubstr("with ebb-worker"))));
  RegisterWorker program{kSecond, "program"};
  program.only_job = job_;
  FromWorker(kSecondLink, program);
  FromWorker(kSecondLink, LeaseRequest{kSecond, 1});
  EXPECT_THAT(Explain(), IsEmpty());
}

// Bug: their logs said nothing: they were about to leave.
TEST_F(ExplainTest, OnlyWorkersThatLeave) {
  Ready();
  FromWorker(kFirstLink, RegisterWorker{kFirst, "a"});
  FromWorker(kFirstLink, LeaseRequest{kFirst, 0});
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS), HasSubstr("1 about to leave"));
}

// Bug: a server that stood still was a worker that hangs.
TEST_F(ExplainTest, AServerThatSaysNothing) {
  record_.plan.quarantine_after = 3;
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Say(kFirstLink, kFirst, {0, 0}, 0, false);
  Wait(absl::Seconds(2));
  now_ += absl::Seconds(5);
  SchedulerActions actions;
  core_->OnTick(now_, &actions);
  const std::vector<Reason> reasons = Explain();
  ASSERT_THAT(reasons, SizeIs(2));
  EXPECT_THAT(reasons[0].text(),
              HasSubstr("ps 0 is connected and has said nothing for 7.0 s"));
  EXPECT_THAT(reasons[1].text(), Not(HasSubstr("hangs in a batch")));
}

// Bug: nothing was said, whatever the cause.
TEST_F(ExplainTest, WhatNobodyExplainsIsSaidToBeSo) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  FromWorker(kFirstLink, LeaseRequest{kFirst, 0});  // It holds an item.
  ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kReturned;
  FromWorker(kFirstLink, end);
  WorkerUp(kSecondLink, kSecond, "b");
  ItemEnd other{kSecond, job_, job().state().generation, {0, 0}};
  other.end = LeaseEnd::kReturned;
  FromWorker(kSecondLink, other);
  Wait(absl::Seconds(2));
  EXPECT_THAT(Only(Reason::KIND_UNKNOWN), HasSubstr("look at the logs"));
}

TEST_F(ExplainTest, GatheringServers) {
  Restart({.min_servers = 2});
  ServerUp();
  Submit();
  EXPECT_THAT(Only(Reason::KIND_STARTING),
              HasSubstr("waits for 2 servers; there is 1"));
}

// Bug: "missing: 0" looked like a count, and nobody heard of the process that
// came instead.
TEST_F(ExplainTest, AServerWhoseIdAnotherProcessHas) {
  Ready();
  Restart({}, stored_);
  RegisterServer other;
  other.server = ServerId(0);
  other.session = SessionId(150);
  other.address = "there:2";
  other.process_id = 77;
  SchedulerActions actions;
  core_->OnServer(LinkId(4), other, now_, &actions);
  EXPECT_THAT(Only(Reason::KIND_STARTING),
              HasSubstr("missing: ps 0 (process 77 at there:2 has its id but "
                        "not its data, and is let in 5s after"));
}

TEST_F(ExplainTest, OneServerIsNoServers) {
  Restart({});
  Submit();
  EXPECT_THAT(Only(Reason::KIND_STARTING),
              HasSubstr("waits for 1 server; there are 0"));
}

TEST_F(ExplainTest, ServersToBePlacedOn) {
  Restart({.takeover_after = absl::ZeroDuration(), .min_servers = 2});
  ServerUp();
  SchedulerActions actions;
  core_->OnTick(now_, &actions);
  Submit();
  EXPECT_THAT(Only(Reason::KIND_NO_SERVERS),
              HasSubstr("until 2 servers are there; there is 1"));
}

TEST_F(ExplainTest, AServerThatLoads) {
  ServerUp();
  Submit();
  EXPECT_THAT(Only(Reason::KIND_STARTING), HasSubstr("ps 0 is loading 2"));
}

// Bug: it said no reason, and to have done so since it was started.
TEST_F(ExplainTest, AServerThatCannotLoad) {
  ServerUp();
  now_ += absl::Seconds(60);
  Submit();
  Wait(absl::Seconds(3));
  ServerStatistics statistics = Statistics();
  statistics.problem = "no room for another partition";
  statistics.problem_kind = ServerProblem::kMemory;
  FromServer(statistics);
  EXPECT_EQ(Only(Reason::KIND_BACK_PRESSURE),
            absl::StrCat(
                "ps 0 is loading 2 partitions: no room for another partition. "
                "What to do: ",
                ToDoAbout(ServerProblem::kMemory, "ps 0")));
  EXPECT_LE(Explain()[0].for_ms(), 4000);
  // Bug: of other troubles the reason had no kind at all.
  statistics.problem = "a damaged version";
  statistics.problem_kind = ServerProblem::kOther;
  FromServer(statistics);
  EXPECT_THAT(Only(Reason::KIND_STARTING), HasSubstr("a damaged version"));
  statistics.problem = "it waits for initial values: no answer";
  statistics.problem_kind = ServerProblem::kInitialValues;
  FromServer(statistics);
  EXPECT_EQ(Only(Reason::KIND_STARTING),
            absl::StrCat(
                "ps 0 is loading 2 partitions: it waits for initial values: no "
                "answer. What to do: ",
                ToDoAbout(ServerProblem::kInitialValues, "ps 0")));
}

TEST_F(ExplainTest, AServerThatIsAway) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ServerGoes(absl::Seconds(3));
  EXPECT_THAT(Only(Reason::KIND_SERVER_AWAY),
              AllOf(HasSubstr("ps 0, which owns 2 of 2 partitions, is away"),
                    HasSubstr("in no --shared-checkpoints, so they wait"),
                    HasSubstr("with its --state-dir, or, if that is lost, "
                              "with an empty one: workers then compute again "
                              "what was on it; if it runs")));
  EXPECT_EQ(Explain()[0].for_ms(), 3000);
}

// Bug: that its own folder is not needed was not said.
TEST_F(ExplainTest, AServerWhoseFolderIsLostMayComeBackWithoutIt) {
  folder_ = "shared";
  Ready();
  Register(1, /*durable=*/true);
  WorkerUp(kFirstLink, kFirst, "a");
  ServerGoes(absl::Seconds(3));
  EXPECT_THAT(Only(Reason::KIND_SERVER_AWAY),
              HasSubstr("with its --state-dir, or, if that is lost, with an "
                        "empty one and the same --shared-checkpoints"));
}

// Bug: that both may be lost was not said, nor that a server without them is
// refused.
TEST_F(ExplainTest, AServerWhoseCopiesAreLostCannotComeBack) {
  folder_ = "shared";
  Ready();
  Register(1, /*durable=*/true);
  WorkerUp(kFirstLink, kFirst, "a");
  ServerGoes(absl::Seconds(6));
  folder_ = "another";
  ServerUp(0, SessionId(102));
  EXPECT_THAT(
      Only(Reason::KIND_SERVER_AWAY),
      AllOf(HasSubstr("at here:1 is refused: the newest checkpoint of "
                      "partition 0 of job test is in --shared-checkpoints that "
                      "this process was not started with"),
            HasSubstr("If its folder and that of --shared-checkpoints are both "
                      "lost, so is what it had: `ebb cancel test`, and submit "
                      "the job anew")));
}

// Bug: the advice was to start daemons by hand that `ebb run` starts again.
TEST_F(ExplainTest, ARunStartsItsDaemonsAgain) {
  of_a_run_ = true;
  folder_ = "shared";
  Ready();
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS),
              HasSubstr("What to do: nothing: the run starts workers again. If "
                        "it lasts, look at the logs in its folder"));
  Register(1, /*durable=*/true);
  WorkerUp(kFirstLink, kFirst, "a");
  SchedulerActions actions;
  core_->OnServerDisconnected(kServerLink, now_, &actions);
  EXPECT_THAT(Only(Reason::KIND_SERVER_AWAY),
              AllOf(HasSubstr("What to do: nothing: the run starts it again."),
                    HasSubstr("what it had: stop the run, and begin another"),
                    Not(HasSubstr("ebb-ps"))));
  Restart({});
  Submit();
  EXPECT_THAT(Only(Reason::KIND_STARTING),
              HasSubstr("What to do: nothing: the run starts servers again."));
}

TEST_F(ExplainTest, AFullDisk) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ServerStatistics statistics = Statistics();
  statistics.problem = "make room";
  statistics.problem_kind = ServerProblem::kDisk;
  FromServer(statistics);
  EXPECT_THAT(Only(Reason::KIND_DISK_FULL), HasSubstr("make room"));
}

TEST_F(ExplainTest, BackPressure) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ServerStatistics statistics = Statistics();
  statistics.problem = "all 10 blocks are in use";
  statistics.problem_kind = ServerProblem::kMemory;
  FromServer(statistics);
  EXPECT_THAT(Only(Reason::KIND_BACK_PRESSURE), HasSubstr("10 blocks"));
}

TEST_F(ExplainTest, PushesThatAServerRefusesUntilItNoLongerDoes) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ServerStatistics statistics = Statistics();
  statistics.refused_pushes = 3;
  statistics.refusal = "pushes that wait have 9 of the 10 bytes";
  FromServer(statistics);
  now_ += absl::Seconds(1);
  statistics.refused_pushes = 0;  // None in the next report.
  FromServer(statistics);
  EXPECT_THAT(Only(Reason::KIND_BACK_PRESSURE),
              StartsWith("ps 0 refused 3 pushes 1.0 s ago: pushes that wait "
                         "have 9 of the 10 bytes; workers try again. What to "
                         "do: "));
  now_ += kPushesBack;
  EXPECT_THAT(Explain(), IsEmpty());
}

// Bug: each was told, though they are the same.
TEST_F(ExplainTest, APushRefusedForAProblemIsToldOnce) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ServerStatistics statistics = Statistics();
  statistics.refused_pushes = 3;
  statistics.refusal = statistics.problem = "table 'w' is full";
  statistics.problem_kind = ServerProblem::kMemory;
  FromServer(statistics);
  EXPECT_THAT(Only(Reason::KIND_BACK_PRESSURE),
              StartsWith("ps 0 refused 3 pushes 0.0 s ago: table 'w' is full; "
                         "workers try again. What to do: "));
}

TEST_F(ExplainTest, AnotherJobsTroubleIsNotThisJobs) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  const JobId other = job_;
  Submit();
  Register();
  ServerStatistics statistics;
  statistics.session = kServerSession;
  statistics.job = other;
  statistics.problem = "make room";
  statistics.problem_kind = ServerProblem::kDisk;
  FromServer(statistics);
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS), HasSubstr("with job test"));
}

TEST_F(ExplainTest, AJobWhoseWorkersAreWithOthers) {
  record_.name = "first";
  record_.plan.priority = 10;
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  const JobId first = job_;
  record_.name = "second";
  record_.plan.priority = 0;
  Submit();
  Register();
  EXPECT_EQ(Only(Reason::KIND_NO_WORKERS),
            "waits for workers: it has 0 and takes 1 at least; of the 1 that "
            "are there 1 is with job first of priority 10; its own priority "
            "is 0. What to do: start more workers, or wait");
  WorkerUp(kSecondLink, kSecond, "b");
  EXPECT_THAT(Only(Reason::KIND_NO_WORKERS), HasSubstr("2 are with job first"));
  // What the first has no work for goes to the second.
  const JobId second = std::exchange(job_, first);
  for (int32_t shard = 0; shard < 3; ++shard) {
    Applied(PartitionId(0), {0, shard}, 2);
    Applied(PartitionId(1), {0, shard}, 2);
  }
  job_ = second;
  EXPECT_THAT(Explain(), IsEmpty());
}

// Bug: nobody was told that the work of hours is done again.
TEST_F(ExplainTest, AServerThatCameBackWithLessUntilThatIsMadeUpFor) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Register(3, true);
  EXPECT_THAT(Explain(), IsEmpty());
  sent_.clear();
  core_->OnServerDisconnected(kServerLink, now_, &sent_);
  ServerUp();
  Register(1, true);
  const std::string reason = Only(Reason::KIND_REDONE);
  const std::string text = reason.substr(0, reason.find(". What to do: "));
  EXPECT_EQ(text,
            "ps 0 came back with what was stored, less than its partitions had "
            "counted: up to 4 examples are computed again; partitions 0, 1 "
            "have 2 of 6 by now");
  std::vector<std::string> logged;
  for (const SchedulerAction& action : sent_) {
    if (const auto* log = std::get_if<LogEvent>(&action)) {
      logged.push_back(log->text);
    }
  }
  EXPECT_THAT(logged, ElementsAre("job=test " + text));
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  EXPECT_THAT(StatusOf(picture, job()).fell_back(), ElementsAre(text));
  // Bug: it stayed at what it was when the server came back.
  Applied(PartitionId(1), {0, 1}, 2);
  EXPECT_THAT(Only(Reason::KIND_REDONE),
              HasSubstr("up to 4 examples are computed again; partitions 0, 1 "
                        "have 2 to 4 of 6 by now"));
  EXPECT_THAT(StatusOf(picture, job()).fell_back(),
              ElementsAre(HasSubstr("2 to 4 of 6")));
  // Bug: what a partition had not had before counted, too: 2 to 8 of 6.
  Applied(PartitionId(1), {0, 3}, 2);
  EXPECT_THAT(Only(Reason::KIND_REDONE), HasSubstr("2 to 4 of 6"));
  Applied(PartitionId(1), {0, 2}, 2);
  EXPECT_THAT(Only(Reason::KIND_REDONE), HasSubstr("2 to 6 of 6"));
  Applied(PartitionId(0), {0, 1}, 2);
  Applied(PartitionId(0), {0, 2}, 2);
  EXPECT_THAT(Explain(), IsEmpty());
}

// Bug: an epoch counted each time that it ended, so of 1 epoch 2 had ended.
TEST_F(ExplainTest, AnEpochThatAServerOpenedAgainEndedOnce) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  const auto finish = [&] {
    for (int32_t shard = 0; shard < 4; ++shard) {
      FromWorker(kFirstLink, LeaseRequest{kFirst, 1});
      for (int32_t p = 0; p < 2; ++p) Applied(PartitionId(p), {0, shard}, 2);
      ItemEnd end{kFirst, job_, job().state().generation, {0, shard}};
      end.end = LeaseEnd::kDone;
      FromWorker(kFirstLink, end);
    }
  };
  finish();
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  ASSERT_EQ(StatusOf(picture, job()).epoch_tails().epochs(), 1);
  SchedulerActions actions;
  core_->OnServerDisconnected(kServerLink, now_, &actions);
  ServerUp();
  Register(0);
  ASSERT_FALSE(job().marks().AllApplied());
  now_ += absl::Seconds(7);
  finish();
  ASSERT_TRUE(job().marks().AllApplied());
  const v1::JobStatus status = StatusOf(picture, job());
  EXPECT_EQ(status.epoch_tails().epochs(), 1);
  EXPECT_EQ(status.epoch_tails().ends_size(), 1);
}

TEST_F(ExplainTest, AServerThatCameBackWithNothing) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Register(3, true);
  SchedulerActions actions;
  core_->OnServerDisconnected(kServerLink, now_, &actions);
  ServerUp();
  Register(0);
  EXPECT_THAT(Only(Reason::KIND_REDONE),
              HasSubstr("ps 0 came back with nothing stored of what its "
                        "partitions had counted: up to 6 examples"));
}

TEST_F(ExplainTest, AStateThatCannotBeWritten) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  store_problem_ = "no room";
  EXPECT_THAT(Only(Reason::KIND_DISK_FULL), HasSubstr("no room"));
  // Bug: daemons that it did not hear were said to stand still.
  now_ += absl::Minutes(2);
  EXPECT_THAT(Only(Reason::KIND_DISK_FULL), HasSubstr("no room"));
}

TEST_F(ExplainTest, AQuarantinedItem) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Fails(1, 2);
  const std::vector<Reason> reasons = Explain();
  ASSERT_THAT(reasons, SizeIs(2));
  EXPECT_EQ(reasons[0].kind(), Reason::KIND_QUARANTINED);
  EXPECT_THAT(reasons[0].text(),
              HasSubstr("(epoch 1, shard 1) is quarantined at example 1 of 2"));
  EXPECT_EQ(reasons[1].kind(), Reason::KIND_PAUSED);
  EXPECT_THAT(reasons[1].text(), HasSubstr("bad row"));
  // Status says the same place.
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  const v1::JobStatus status = StatusOf(picture, job());
  ASSERT_EQ(status.quarantined_size(), 1);
  EXPECT_EQ(status.quarantined(0).position(), 1);
  EXPECT_EQ(status.quarantined(0).failed_end(), 2);
  EXPECT_EQ(status.quarantined(0).failures(), 1);
  EXPECT_FALSE(status.quarantined(0).skip_wanted());
  EXPECT_FALSE(status.quarantined(0).non_finite());
  EXPECT_FALSE(status.quarantined(0).applied_somewhere());
}

// Bug: it was still to be decided what becomes of it.
TEST_F(ExplainTest, ABatchThatIsAboutToBeLeftOut) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Fails(0, 1);
  SchedulerActions actions;
  ASSERT_TRUE(core_->Resolve(job_, {0, 0}, /*skip=*/true, now_, &actions).ok());
  const std::vector<Reason> reasons = Explain();
  ASSERT_THAT(reasons, SizeIs(3));
  EXPECT_THAT(reasons[0].text(),
              HasSubstr("(epoch 1, shard 1): its batch at example 0 is left "
                        "out once all partitions say"));
  const v1::JobStatus status = StatusOf({*core_, watch_, now_, ""}, job());
  ASSERT_EQ(status.quarantined_size(), 1);
  EXPECT_TRUE(status.quarantined(0).skip_wanted());
  Register();
  EXPECT_THAT(Explain(), IsEmpty());
}

TEST_F(ExplainTest, ABatchThatSomePartitionsHaveCannotBeSkipped) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Applied(PartitionId(1), {0, 0}, 1);
  ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 1;
  end.non_finite = true;
  FromWorker(kFirstLink, end);
  const std::vector<Reason> reasons = Explain();
  ASSERT_THAT(reasons, SizeIs(2));
  EXPECT_THAT(reasons[0].text(), HasSubstr("so it cannot be skipped"));
  const v1::JobStatus status = StatusOf({*core_, watch_, now_, ""}, job());
  ASSERT_EQ(status.quarantined_size(), 1);
  EXPECT_TRUE(status.quarantined(0).applied_somewhere());
  EXPECT_TRUE(status.quarantined(0).non_finite());
}

// Bug: it was said to have failed as often as the job allows.
TEST_F(ExplainTest, AnItemThatIsQuarantinedAtOnceFailedOnce) {
  record_.plan.quarantine_after = 3;
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 2;
  end.non_finite = true;
  FromWorker(kFirstLink, end);
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  const v1::JobStatus status = StatusOf(picture, job());
  ASSERT_EQ(status.quarantined_size(), 1);
  EXPECT_EQ(status.quarantined(0).failures(), 1);
}

TEST_F(ExplainTest, AnItemThatNoWorkerCanBegin) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.error = "no such file";
  FromWorker(kFirstLink, end);
  ASSERT_THAT(Explain(), SizeIs(3));
  EXPECT_THAT(Explain()[0].text(), HasSubstr("though no batch failed"));
  EXPECT_EQ(Explain()[2].text(),
            "worker a refuses this job: no such file. What to do: mend that; "
            "the worker is asked again when it is started anew, or when the "
            "job is resumed (`ebb resume`)");
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  const v1::JobStatus status = StatusOf(picture, job());
  ASSERT_EQ(status.quarantined_size(), 1);
  EXPECT_EQ(status.quarantined(0).failed_end(),
            status.quarantined(0).position());
  EXPECT_EQ(status.quarantined(0).failures(), 0);
}

// Bug: while others trained, nobody was told of a worker whose data is not that
// of the job.
// Bug: "was the file copied whole?. What to do: ".
TEST_F(ExplainTest, AQuestionEndsAsOne) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ServerStatistics statistics = Statistics();
  statistics.problem = "is it full?";
  statistics.problem_kind = ServerProblem::kDisk;
  FromServer(statistics);
  EXPECT_THAT(Only(Reason::KIND_DISK_FULL),
              StartsWith("ps 0: is it full? What to do: make room"));
}

TEST_F(ExplainTest, AWorkerThatRefusesWhileOthersWork) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  WorkerUp(kSecondLink, kSecond, "b");
  ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.error = "x.csv is not the file that was indexed; bring the old one back";
  FromWorker(kFirstLink, end);
  EXPECT_EQ(
      Only(Reason::KIND_WORKER_REFUSES),
      "worker a refuses this job: x.csv is not the file that was indexed; "
      "bring the old one back. What to do: mend that; the worker is asked "
      "again when it is started anew");
  EXPECT_EQ(Explain()[0].subject(), "worker a");
  SchedulerActions actions;
  core_->OnWorkerDisconnected(kFirstLink, now_, &actions);
  WorkerUp(kFirstLink, SessionId(203), "a");
  EXPECT_THAT(Explain(), IsEmpty());
}

// Bug: it was said to hang in a batch.
TEST_F(ExplainTest, AWorkerWhoseMessageIsOverALimit) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.error = "a push to ps 0 at here:1: a message of 9 bytes is over 8";
  end.over_limit = true;
  FromWorker(kFirstLink, end);
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  ASSERT_THAT(Explain(), SizeIs(3));  // Quarantined, paused, and why.
  EXPECT_EQ(Explain()[2].kind(), Reason::KIND_MESSAGE_LIMIT);
  EXPECT_EQ(
      Explain()[2].text(),
      "worker a cannot go on with this job: a push to ps 0 at here:1: a "
      "message of 9 bytes is over 8. What to do: mend that; the worker is "
      "asked again when it is started anew, or when the job is resumed (`ebb "
      "resume`)");
}

TEST_F(ExplainTest, ALeaseThatIsHeld) {
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Say(kFirstLink, kFirst, {0, 0}, 0, false);
  Wait(absl::Seconds(2));
  EXPECT_THAT(Only(Reason::KIND_LEASE_HELD),
              AllOf(HasSubstr("worker a holds item (epoch 1, shard 1)"),
                    HasSubstr("at example 1 of 2"), HasSubstr("in 1.0 s")));
  EXPECT_EQ(NotAdvancing({*core_, watch_, now_, ""}, job()), absl::Seconds(2));
}

// Bug: nothing was said once all workers hung, and they were called idle.
TEST_F(ExplainTest, WorkersThatHang) {
  record_.plan.quarantine_after = 3;
  Ready();
  WorkerUp(kFirstLink, kFirst, "a");
  Say(kFirstLink, kFirst, {0, 0}, 0, false);
  Wait(absl::Seconds(2));
  now_ += absl::Seconds(5);
  FromServer(ServerAlive{kServerSession});
  SchedulerActions actions;
  core_->OnTick(now_, &actions);
  EXPECT_THAT(Only(Reason::KIND_LEASE_HELD),
              AllOf(HasSubstr("worker a said nothing for 7.0 s"),
                    HasSubstr("it hangs in a batch")));
  // Of another job it says nothing.
  const JobId hung = job_;
  Submit();
  Register();
  Wait(absl::Seconds(2));
  ASSERT_NE(job_, hung);
  for (const Reason& reason : Explain()) {
    EXPECT_THAT(reason.text(), Not(HasSubstr("said nothing")));
  }
  const SchedulerShell::Picture picture{*core_, watch_, now_, ""};
  EXPECT_EQ(StatusOf(picture, core_->cluster().workers.at(kFirst)).state(),
            v1::WorkerStatus::STATE_SILENT);
}

// The lease was blamed, of each item, as long as a worker loaded its data.
TEST_F(ExplainTest, AWorkerThatLoadsItsData) {
  Ready();
  FromWorker(kFirstLink, RegisterWorker{kFirst, "worker-1"});
  FromWorker(kFirstLink, LeaseRequest{kFirst, 2});
  Wait(absl::Seconds(2));

  EXPECT_THAT(Only(Reason::KIND_LEASE_HELD),
              StartsWith("worker-1 loads the data, or computes its first "
                         "batch. What to do: nothing while"));
  EXPECT_EQ(Explain()[0].subject(), "worker-1");
}

TEST_F(ExplainTest, ALastCheckpoint) {
  ServerUp();
  Submit();
  Register(4);
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_THAT(Only(Reason::KIND_NOT_DURABLE),
              HasSubstr("0 of 4 items are durable"));
}

TEST_F(ExplainTest, ALastEvaluation) {
  record_.plan.evaluate_every = 1;
  ServerUp();
  Submit();
  Register(4, true);
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_THAT(Only(Reason::KIND_EVALUATION), HasSubstr("evaluation"));
}

TEST_F(ExplainTest, AJobThatIsOverNeedsNoExplanation) {
  ServerUp();
  Submit();
  Register(4, true);
  Wait(absl::Seconds(5));
  EXPECT_THAT(Explain(), IsEmpty());
  EXPECT_EQ(NotAdvancing({*core_, watch_, now_, ""}, job()),
            absl::ZeroDuration());
}

// Bug: "complete; nothing waits", while the server that had the model was gone.
TEST_F(ExplainTest, ACompleteJobWhoseServerIsAway) {
  ServerUp();
  Submit();
  Register(4, true);
  ServerGoes(absl::Seconds(3));
  EXPECT_THAT(
      Only(Reason::KIND_SERVER_AWAY),
      AllOf(HasSubstr("ps 0, which owns 2 of 2 partitions, is away"),
            HasSubstr("if that is lost, with an empty one: workers then")));
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

}  // namespace
}  // namespace ebb::scheduler

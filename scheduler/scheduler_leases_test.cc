// Who works on what, and who evaluates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <variant>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SchedulerLeasesTest : public SchedulerFixture {
 protected:
  // The program that trained the job makes none.
  void OnlyAnEvaluationIsLeft() {
    ServerUp();
    JobRecord record = Record();
    record.plan.evaluate_every = 1;
    Submit(record);
    RegisterWorker program{kWorker, "w"};
    program.only_job = job_;
    program.no_evaluations = true;
    FromWorker(kWorkerLink, program);
    Register(4, 4);
  }
};

// Bug: a worker whose session somebody else had registered stayed connected and
// was never heard again.
TEST_F(SchedulerLeasesTest, TheLinkThatASessionLeavesIsClosed) {
  Ready();
  WorkerUp(LinkId(5), SessionId(31));
  FromWorker(LinkId(5), RegisterWorker{SessionId(31), "w"});
  EXPECT_THAT(closed_, IsEmpty());

  FromWorker(LinkId(6), RegisterWorker{SessionId(31), "other"});

  EXPECT_THAT(closed_, ElementsAre(LinkId(5)));
}

// Bug: whoever registered again and again in one connection became ever more
// workers, which nobody missed when it had gone.
TEST_F(SchedulerLeasesTest, ALinkHasOneSession) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_EQ(job().leases().CountHeldBy(kWorker), 1);

  FromWorker(kWorkerLink, RegisterWorker{kOther, "w"});

  const Workers& workers = core_->cluster().workers;
  EXPECT_EQ(workers.size(), 1u);
  EXPECT_TRUE(workers.contains(kOther));
  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 0);
  WorkerGone(kWorkerLink);
  EXPECT_TRUE(workers.empty());
}

// Bug: with an answer to it came a token of the job, for whoever asked.
TEST_F(SchedulerLeasesTest, ThePlacementIsForWhoWasLeasedSomething) {
  Ready();
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, PlacementRequest{kWorker, job_});
  EXPECT_THAT(to_worker_, IsEmpty());
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  FromWorker(kWorkerLink, PlacementRequest{kWorker, job_});
  EXPECT_THAT(to_worker_, SizeIs(1));

  // Who claims to hold what another holds is told that it does not.
  RegisterWorker claims{kOther, "other"};
  claims.held = {{job_, job().state().generation, {0, 0}}};
  FromWorker(kOtherLink, claims);

  ASSERT_THAT(to_worker_, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<LeaseLost>(to_worker_[0].second));
}

// Bug: whoever was connected could have any job paused, rolled back, or made to
// skip examples, by saying that one of its items failed.
TEST_F(SchedulerLeasesTest, OfItemsTheySpeakWhoWereLeasedSome) {
  Ready();
  FromWorker(kOtherLink, RegisterWorker{kOther, "other"});
  ItemEnd end{kOther, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kReturned;
  end.position = 2;
  FromWorker(kOtherLink, end);
  end.end = LeaseEnd::kFailed;
  end.position = 0;
  end.failed_end = 2;
  end.non_finite = true;
  FromWorker(kOtherLink, end);

  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(job().state().quarantined, IsEmpty());
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_THAT(Leases(kWorkerLink)[0].hints, testing::Each(0));
}

TEST_F(SchedulerLeasesTest, LeasesOnlyWhenEveryPartitionIsRegistered) {
  ServerUp();
  Submit();
  WorkerUp(kWorkerLink, kWorker);
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
  Register();
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_EQ(Leases(kWorkerLink)[0].item, (ItemId{0, 0}));
}

TEST_F(SchedulerLeasesTest, AConnectionThatBreaksFreesTheItemAtOnce) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  EXPECT_EQ(Leases(kOtherLink)[0].item, (ItemId{0, 1}));
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  FromWorker(kOtherLink,
             ItemEnd{kOther, job_, job().state().generation, {0, 1}});
  EXPECT_EQ(job().leases().HeldBy(kOther).size(), 1);  // Item 2.
  WorkerGone(kWorkerLink);
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].item, (ItemId{0, 0}));
}

// Bug: the next worker computed again what the servers had not reported yet.
TEST_F(SchedulerLeasesTest, AReturnedItemGoesOnWhereItsWorkerStopped) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  ItemEnd end{kWorker, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kReturned;
  end.position = 1;
  FromWorker(kWorkerLink, end);
  WorkerUp(kOtherLink, kOther);
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_THAT(Leases(kOtherLink)[0].hints, testing::Each(1));
}

TEST_F(SchedulerLeasesTest, ASilentWorkerLosesItsItemAfterTheLeaseTime) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  Tick(absl::Seconds(2));
  FromWorker(kWorkerLink,
             Progress{kWorker, job_, job().state().generation, {0, 0}});
  Tick(absl::Seconds(2));
  EXPECT_THAT(job().leases().HeldBy(kWorker), SizeIs(1));
  Tick(absl::Seconds(1.5));
  EXPECT_THAT(job().leases().HeldBy(kWorker), IsEmpty());
}

TEST_F(SchedulerLeasesTest, NoLeaseRunsOutWhileAServerIsAway) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  SchedulerActions actions;
  core_->OnServerDisconnected(kServerLink, now_, &actions);
  Do(std::move(actions));
  Tick(absl::Seconds(60));
  EXPECT_THAT(job().leases().HeldBy(kWorker), SizeIs(1));
  ServerUp({Registration(0, 0)});
  Tick(absl::Seconds(1));
  EXPECT_THAT(job().leases().HeldBy(kWorker), SizeIs(1));
}

TEST_F(SchedulerLeasesTest, AWorkerKeepsItsItemOverASchedulerRestart) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  const JobRegistration known = Registration(0, 0);
  const Generation generation = job().state().generation;
  const auto stored = stored_;
  Restart(stored);
  RegisterWorker again{kWorker, "w"};
  again.held = {{job_, generation, {0, 0}}};
  FromWorker(kWorkerLink, again);  // Before the servers are back.
  EXPECT_THAT(to_worker_, IsEmpty());
  ServerUp({known});
  Register();
  EXPECT_THAT(job().leases().HeldBy(kWorker), SizeIs(1));
  WorkerUp(kOtherLink, kOther);
  EXPECT_EQ(Leases(kOtherLink)[0].item, (ItemId{0, 1}));
}

TEST_F(SchedulerLeasesTest, AJobBeginsWithAsManyWorkersAsItWantsAtLeast) {
  ServerUp();
  JobRecord record = Record();
  record.plan.min_workers = 2;
  Submit(record);
  Register();
  WorkerUp(kWorkerLink, kWorker);
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
  WorkerUp(kOtherLink, kOther);
  EXPECT_THAT(job().leases().HeldBy(kWorker), SizeIs(1));
  EXPECT_THAT(job().leases().HeldBy(kOther), SizeIs(1));
  // One that leaves stops nobody.
  WorkerGone(kOtherLink);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(Leases(kWorkerLink), SizeIs(1));
}

TEST_F(SchedulerLeasesTest, TheFirstWorkerTooManyIsSpokenOf) {
  ServerUp();
  JobRecord record = Record();
  record.plan.max_workers = 1;
  Submit(record);
  Register();
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "a"});
  EXPECT_THAT(log_, ElementsAre(HasSubstr("worker=a is up")));
  FromWorker(kOtherLink, RegisterWorker{kOther, "b"});
  EXPECT_THAT(log_,
              ElementsAre(HasSubstr("worker=b is up"),
                          HasSubstr("takes 1 workers at once (workers.max); of "
                                    "the 2 that are there the others wait")));
  FromWorker(LinkId(9), RegisterWorker{SessionId(203), "c"});
  EXPECT_THAT(log_, ElementsAre(HasSubstr("worker=c is up")));
}

TEST_F(SchedulerLeasesTest, AWorkerOfOneJobGetsNoItemOfAnother) {
  Ready();
  RegisterWorker picky{kWorker, "picky"};
  picky.only_job = JobId(job_.value() + 1);
  FromWorker(kWorkerLink, picky);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
  // It keeps nobody else waiting.
  WorkerUp(kOtherLink, kOther);
  EXPECT_THAT(Leases(kOtherLink), SizeIs(1));

  picky.only_job = job_;
  FromWorker(kWorkerLink, picky);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(Leases(kWorkerLink), SizeIs(1));
}

TEST_F(SchedulerLeasesTest, OnlyProgramsOfTheJobGetItsItems) {
  SchedulerOptions options;
  options.training_facts = [](const JobRecord&) {
    return job::TrainingFacts{.only_programs = true};
  };
  Restart({}, options);
  Ready();
  WorkerUp(kOtherLink, kOther);
  EXPECT_THAT(Leases(kOtherLink), IsEmpty());
  RegisterWorker program{kWorker, "program"};
  program.only_job = JobId(job_.value() + 1);
  FromWorker(kWorkerLink, program);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());

  program.only_job = job_;
  FromWorker(kWorkerLink, program);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(Leases(kWorkerLink), SizeIs(1));
}

TEST_F(SchedulerLeasesTest, AWorkerGoesOnWithItsItemWhileServersAreAwaited) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  const Generation generation = job().state().generation;
  Restart(std::map(stored_));
  RegisterWorker again{kWorker, "w"};
  again.held = {{job_, generation, {0, 0}}};
  FromWorker(kWorkerLink, again);
  FromWorker(kWorkerLink, Progress{kWorker, job_, generation, {0, 0}, 1});
  EXPECT_THAT(to_worker_, IsEmpty());  // It is not told that the lease is lost.
}

TEST_F(SchedulerLeasesTest, ALeaseThatNeverArrivedIsGivenToSomebodyElse) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  // It comes back before its old connection is known to be broken.
  FromWorker(LinkId(9), RegisterWorker{kWorker, "w"});
  EXPECT_THAT(job().leases().HeldBy(kWorker), IsEmpty());
  WorkerUp(kOtherLink, kOther);
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].item, (ItemId{0, 0}));
}

// Bug: the evaluation waited for its whole time-out.
TEST_F(SchedulerLeasesTest, ASnapshotLostWithItsServerIsTakenAgainAtOnce) {
  const auto snapshots = [&] {
    return std::count_if(to_server_.begin(), to_server_.end(),
                         [](const auto& message) {
                           return std::holds_alternative<TakeSnapshot>(message);
                         });
  };
  ServerUp();
  JobRecord record = Record();
  record.plan.evaluate_every = 1;
  Submit(record);
  Register(4, 0);
  EXPECT_EQ(snapshots(), 1);
  SchedulerActions lost;
  core_->OnServerDisconnected(kServerLink, now_, &lost);
  Do(std::move(lost));
  ServerUp();
  Register(4, 0);
  EXPECT_EQ(snapshots(), 1);
}

TEST_F(SchedulerLeasesTest, AnEvaluationWaitsForAWorkerAsLongAsItTakes) {
  ServerUp();
  JobRecord record = Record();
  record.plan.evaluate_every = 1;
  Submit(record);
  Register(4, 4);
  for (int i = 0; i < 20; ++i) Tick(absl::Seconds(61));
  EXPECT_TRUE(job().parts().evaluations.underway());
  EXPECT_THAT(job().state().evaluations, IsEmpty());
}

// Bug: the job waited for its evaluations for ever.
TEST_F(SchedulerLeasesTest, AJobOfProgramsThatDoNotEvaluateEndsWithoutIt) {
  OnlyAnEvaluationIsLeft();
  // One that evaluates may be on its way.
  Tick(absl::Seconds(61));
  EXPECT_TRUE(job().parts().evaluations.underway());
  Tick(absl::Seconds(61));
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  ASSERT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_EQ(job().state().evaluations[0].epoch, job().plan().epochs - 1);
  EXPECT_THAT(job().state().evaluations[0].error,
              HasSubstr("no worker that is connected evaluates"));
}

TEST_F(SchedulerLeasesTest, AProgramThatEvaluatesMayComeAtTheEnd) {
  OnlyAnEvaluationIsLeft();
  Tick(absl::Seconds(61));
  RegisterWorker program{kOther, "v"};
  program.only_job = job_;
  FromWorker(kOtherLink, program);
  for (int i = 0; i < 5; ++i) Tick(absl::Seconds(61));
  EXPECT_TRUE(job().parts().evaluations.underway());
  EXPECT_THAT(job().state().evaluations, IsEmpty());
}

// An epoch is full, its snapshot asked for, and another epoch open.
class SchedulerEvaluationTest : public SchedulerFixture {
 protected:
  SchedulerEvaluationTest() {
    ServerUp();
    JobRecord record = Record();
    record.plan.epochs = 2;
    record.plan.evaluate_every = 1;
    record.plan.quarantine_after = kDeaths;
    Submit(record);
    Register(4, 4);
  }
  // After which an item, or an evaluation, is given up.
  static constexpr int kDeaths = 9;
  // By the last event; 0: none was.
  int64_t SnapshotAsked() const {
    for (const SchedulerToServer& message : to_server_) {
      const auto* take = std::get_if<TakeSnapshot>(&message);
      if (take != nullptr) return take->snapshot;
    }
    return 0;
  }
  void SnapshotIsThere(int64_t snapshot) {
    SnapshotReply reply;
    reply.job = job_;
    reply.generation = job().state().generation;
    reply.snapshot = snapshot;
    for (const PartitionId p : {PartitionId(0), PartitionId(1)}) {
      reply.partitions.emplace_back(p, job().placement().at(p).drawn);
    }
    FromServer(reply, kServerSession);
  }
  void Asks(LinkId link, SessionId session, int32_t items) {
    FromWorker(link, RegisterWorker{session, "w"});
    FromWorker(link, LeaseRequest{session, items});
  }
  // Whose evaluation was leased by the last event.
  std::vector<int32_t> Evaluates(LinkId link) const {
    std::vector<int32_t> epochs;
    for (const auto& [to, message] : to_worker_) {
      const auto* lease = std::get_if<EvaluationLease>(&message);
      if (lease != nullptr && to == link) epochs.push_back(lease->epoch);
    }
    return epochs;
  }
};

// Bug: a worker that evaluated what was begun anew meanwhile, a server having
// restarted, asked where to pull from for ever, and the job never ended.
TEST_F(SchedulerEvaluationTest, WhoDoesNotKnowThatItIsBegunAnewMayAskWhere) {
  const int64_t first = SnapshotAsked();
  FromWorker(kOtherLink, RegisterWorker{kOther, "w"});
  FromWorker(kOtherLink, LeaseRequest{kOther, 0});
  Asks(kWorkerLink, kWorker, 9);
  SnapshotIsThere(first);
  ASSERT_THAT(Evaluates(kWorkerLink), ElementsAre(0));
  Tick(absl::Minutes(2));
  ASSERT_EQ(job().leases().CountHeldBy(kWorker), 0);
  ASSERT_FALSE(job().parts().evaluations.Evaluates(kWorker));

  FromWorker(kWorkerLink, PlacementRequest{kWorker, job_});
  EXPECT_THAT(to_worker_, SizeIs(1));
  FromWorker(kOtherLink, PlacementRequest{kOther, job_});
  EXPECT_THAT(to_worker_, IsEmpty());
}

// Bug: its result was waited for until its time was up, a minute.
TEST_F(SchedulerEvaluationTest, OneWhoseWorkerRegistersAnewIsBegunAgain) {
  const int64_t first = SnapshotAsked();
  Asks(kWorkerLink, kWorker, 9);
  SnapshotIsThere(first);
  ASSERT_THAT(Evaluates(kWorkerLink), ElementsAre(0));

  // It comes back before its old connection is known to be broken.
  FromWorker(LinkId(9), RegisterWorker{kWorker, "w"});

  EXPECT_GT(SnapshotAsked(), first);
  EXPECT_FALSE(job().parts().evaluations.Evaluates(kWorker));
}

// Bug: in a market that took away the five workers that evaluated in turn, an
// epoch was not evaluated, though its job had `quarantine_after: 100`.
TEST_F(SchedulerEvaluationTest, OutlivesAsManyDeathsAsAnItem) {
  int64_t snapshot = SnapshotAsked();
  for (int death = 1; death <= kDeaths; ++death) {
    EXPECT_THAT(job().state().evaluations, IsEmpty());
    Asks(LinkId(20 + death), kWorker, 9);
    SnapshotIsThere(snapshot);
    FromWorker(LinkId(21 + death), RegisterWorker{kWorker, "w"});
    snapshot = SnapshotAsked();
  }
  ASSERT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_THAT(job().state().evaluations.at(0).error,
              HasSubstr("could evaluate it in 9 attempts"));
}

// Each attempt may take a minute, or be in vain for one and the same reason.
// Bug: the reason, such as a damaged window of the test data, was only in logs.
TEST_F(SchedulerEvaluationTest, IsGivenUpAfterFewErrors) {
  int64_t snapshot = SnapshotAsked();
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  for (int error = 1; error <= 5; ++error) {
    EXPECT_THAT(job().state().evaluations, IsEmpty());
    FromWorker(kWorkerLink, LeaseRequest{kWorker, 9});
    SnapshotIsThere(snapshot);
    EvaluationResult result{kWorker, job_, job().state().generation, snapshot};
    result.error = "no memory";
    FromWorker(kWorkerLink, result);
    snapshot = SnapshotAsked();
  }
  ASSERT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_THAT(job().state().evaluations.at(0).error,
              HasSubstr("could evaluate it in 5 attempts, at last: no memory"));
}

TEST_F(SchedulerEvaluationTest, WhoWasLeasedNothingHasNoResult) {
  const int64_t snapshot = SnapshotAsked();
  FromWorker(kOtherLink, RegisterWorker{kOther, "other"});
  FromWorker(kOtherLink, EvaluationResult{kOther, job_,
                                          job().state().generation, snapshot});
  EXPECT_THAT(job().state().evaluations, IsEmpty());
}

TEST_F(SchedulerEvaluationTest, WhoHoldsNothingIsAskedFirst) {
  const int64_t snapshot = SnapshotAsked();
  Asks(kWorkerLink, kWorker, 9);
  Asks(kOtherLink, kOther, 9);
  ASSERT_THAT(job().leases().HeldBy(kWorker), SizeIs(4));  // All there are.

  SnapshotIsThere(snapshot);

  EXPECT_THAT(Evaluates(kWorkerLink), IsEmpty());
  EXPECT_THAT(Evaluates(kOtherLink), ElementsAre(0));
}

// Bug: a scheduler without its store had every epoch of every job evaluated
// again, one after the other, and workers did little else meanwhile.
TEST_F(SchedulerEvaluationTest, OfThoseLostWithTheStoreOnlyTheNewestIsMade) {
  JobRegistration registration = Registration(0, 0);
  MarkSet all(job().plan());
  for (int64_t i = 0; i < job().plan().items(); ++i) {
    ASSERT_TRUE(all.Raise(job().plan().ItemAt(i), 2).ok());
  }
  const auto know_all = [&] {
    for (PartitionRegistration& one : registration.partitions) {
      one.term = job().placement().at(one.partition).drawn;
      one.marks = one.durable_marks = all.Encode();
    }
  };
  know_all();
  Restart({});
  ServerUp({registration});
  know_all();
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  const int64_t snapshot = SnapshotAsked();
  Asks(kWorkerLink, kWorker, 1);

  SnapshotIsThere(snapshot);
  EXPECT_THAT(Evaluates(kWorkerLink), ElementsAre(1));
  EvaluationResult result{kWorker, job_, job().state().generation, snapshot};
  result.examples = 10;
  FromWorker(kWorkerLink, result);

  EXPECT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

TEST_F(SchedulerLeasesTest, TwoWorkersOfOneNameWorkAndAreNamed) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  FromWorker(kOtherLink, RegisterWorker{kOther, "w", 33});
  EXPECT_THAT(log_, ElementsAre(HasSubstr("worker=w pid=33 has the name of one "
                                          "that is connected"),
                                HasSubstr("worker=w is up, pid=33")));
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  EXPECT_THAT(Leases(kOtherLink), SizeIs(1));
}

class SchedulerViewTest : public SchedulerFixture {
 protected:
  // Two workers hold an item each.
  void Begin() {
    JobRecord record = Record();
    record.plan.consistency.kind = ConsistencyKind::kSsp;
    record.plan.consistency.clock_bound = 4;
    ServerUp();
    Submit(record);
    Register();
    WorkerUp(kWorkerLink, kWorker);
    WorkerUp(kOtherLink, kOther);
  }
  void Says(LinkId link, SessionId session, ItemId item, int64_t clock) {
    Progress progress{session, job_, job().state().generation, item};
    progress.clock = clock;
    FromWorker(link, progress);
  }
};

// Bug: all waited for whoever was loading its data.
TEST_F(SchedulerViewTest, WhoHasNotBegunIsInNoView) {
  Begin();
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].joined, ViewNumber());
  Says(kOtherLink, kOther, {0, 1}, 0);  // It is loading.
  EXPECT_FALSE(job().parts().view.view().Contains(kOther));

  AsksToJoin(kOtherLink, kOther, {0, 1});

  ASSERT_TRUE(job().parts().view.view().Contains(kOther));
  EXPECT_FALSE(job().parts().view.view().Contains(kWorker));
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].joined,
            job().parts().view.view().member(kOther).joined);
  ASSERT_THAT(to_server_, SizeIs(1));
  EXPECT_EQ(std::get<ViewUpdate>(to_server_[0]).number,
            job().parts().view.view().number());
}

// Bug: it was told that its lease is lost, and the item stayed its own until
// the lease ran out; then it was taken for dead, and never got another (seed
// 17952573765793).
TEST_F(SchedulerViewTest, WhoMayNotJoinWhileTheJobIsPausedHoldsNothing) {
  Begin();
  ItemEnd end{kOther, job_, job().state().generation, {0, 1}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 1;
  end.non_finite = true;
  FromWorker(kOtherLink, end);
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  AsksToJoin(kWorkerLink, kWorker, {0, 0});
  ASSERT_THAT(to_worker_, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<LeaseLost>(to_worker_[0].second));
  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 0);
}

// Bug: it joined where the slowest had been when it last renewed its leases,
// and all waited until it had made up for that.
TEST_F(SchedulerViewTest, OneJoinsWhereTheSlowestIsNow) {
  Begin();
  AsksToJoin(kWorkerLink, kWorker, {0, 0}, 20);
  EXPECT_EQ(job().parts().view.view().member(kWorker).start_clock, 21);

  AsksToJoin(kOtherLink, kOther, {0, 1}, 26);  // A server knows better.

  EXPECT_EQ(job().parts().view.view().member(kOther).start_clock, 27);
  EXPECT_EQ(Leases(kOtherLink)[0].start_clock, 27);
  // One that came back, and has heard of no clock yet, does not.
  WorkerGone(kOtherLink);
  Says(kWorkerLink, kWorker, {0, 0}, 30);
  WorkerUp(kOtherLink, kOther);
  AsksToJoin(kOtherLink, kOther, {0, 1}, 0);
  EXPECT_EQ(job().parts().view.view().member(kOther).start_clock, 31);
}

TEST_F(SchedulerViewTest, NoClockIsTooLargeToJoinAfter) {
  Begin();
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  AsksToJoin(kWorkerLink, kWorker, {0, 0}, kLargest);
  EXPECT_EQ(job().parts().view.view().member(kWorker).start_clock, kLargest);
}

TEST_F(SchedulerViewTest, AfterARestartWhoWasInTheViewIsAndNobodyElse) {
  Begin();
  Restart(stored_);
  const Generation generation = job().state().generation;
  const JobRegistration registration = Registration(0, 0);
  const auto back = [&](LinkId link, SessionId session, ItemId item,
                        int64_t clock) {
    RegisterWorker message{session, "w"};
    message.held = {{job_, generation, item}};
    message.clock = clock;
    FromWorker(link, message);
  };
  back(kWorkerLink, kWorker, {0, 0}, 17);
  back(kOtherLink, kOther, {0, 1}, -1);

  ServerUp({registration});

  EXPECT_EQ(job().leases().HeldBy(kOther), std::vector<int64_t>{1});
  ASSERT_TRUE(job().parts().view.view().Contains(kWorker));
  EXPECT_EQ(job().parts().view.view().member(kWorker).start_clock, 17);
  EXPECT_FALSE(job().parts().view.view().Contains(kOther));
}

TEST_F(SchedulerLeasesTest, AnEpochWaitsForTheOneBeforeWhereTheirOrderCounts) {
  for (const bool in_order : {false, true}) {
    SchedulerOptions options;
    options.training_facts = [in_order](const JobRecord&) {
      return job::TrainingFacts{.epochs_in_order = in_order};
    };
    Restart({}, options);
    ServerUp();
    JobRecord record = Record();
    record.plan.epochs = 2;
    Submit(record);
    Register(3, 3);
    WorkerUp(kWorkerLink, kWorker);
    ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
    EXPECT_EQ(Leases(kWorkerLink)[0].item, (ItemId{0, 3}));
    WorkerUp(kOtherLink, kOther);
    EXPECT_THAT(Leases(kOtherLink), SizeIs(in_order ? 0 : 1));
    // The last item is full: the worker that waits gets the next epoch's first.
    Register(4, 3);
    EXPECT_THAT(Leases(kOtherLink), SizeIs(in_order ? 1 : 0));
    EXPECT_EQ(job().leases().CountHeldBy(kOther), 1);
  }
}

}  // namespace
}  // namespace ebb::scheduler

// Workers that would be idle, and those that are slower.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr LinkId kThirdLink(4);
constexpr SessionId kThird(203);
constexpr ItemId kFirst{0, 0}, kSecond{0, 1}, kLast{0, 2};

// Three items of 100 examples in batches of 10. kWorker takes the first, at 10
// examples a second; kOther the others, at 100.
class SchedulerBackupsTest : public SchedulerFixture {
 protected:
  static JobRecord Items() {
    JobRecord record = Record();
    record.plan.examples = 300;
    record.plan.shard_size = 100;
    record.plan.batch_by_epoch = {10};
    return record;
  }
  void Begin(const JobRecord& record, int32_t slow_holds = 1) {
    ServerUp();
    Submit(record);
    Register();
    FromWorker(kWorkerLink, RegisterWorker{kWorker, "slow"});
    FromWorker(kWorkerLink, LeaseRequest{kWorker, slow_holds});
    FromWorker(kOtherLink, RegisterWorker{kOther, "fast"});
    FromWorker(kOtherLink, LeaseRequest{kOther, 3 - slow_holds});
  }
  void Computed(LinkId link, SessionId session, ItemId item, int64_t examples) {
    Progress progress;
    progress.session = session;
    progress.job = job_;
    progress.generation = job().state().generation;
    progress.item = item;
    progress.examples = examples;
    FromWorker(link, progress);
  }
  void Ends(LinkId link, SessionId session, ItemId item, int64_t examples,
            LeaseEnd how = LeaseEnd::kDone) {
    ItemEnd end{session, job_, job().state().generation, item};
    end.end = how;
    end.examples = examples;
    if (how == LeaseEnd::kFailed) {
      end.position = 20;
      end.failed_end = 30;
    }
    FromWorker(link, end);
  }
  void Marks(ItemId item, int64_t mark) {
    MarkReport report;
    report.session = kServerSession;
    report.job = job_;
    report.generation = job().state().generation;
    for (int32_t p = 0; p < 2; ++p) {
      PartitionMarkReport& one = report.partitions.emplace_back();
      one.partition = PartitionId(p);
      one.term = job().placement().at(PartitionId(p)).drawn;
      one.marks = {{item, mark}};
    }
    FromServer(report, kServerSession);
  }
  // After two seconds kOther has nothing to do, and kWorker did 20 examples.
  void LeaveOnlyTheSlow() {
    now_ += absl::Seconds(2);
    Computed(kWorkerLink, kWorker, kFirst, 20);
    Marks(kFirst, 20);
    for (const int64_t ordinal : job().leases().HeldBy(kOther)) {
      const ItemId item = job().plan().ItemAt(ordinal);
      Marks(item, 100);
      Ends(kOtherLink, kOther, item, 200);
    }
    FromWorker(kOtherLink, LeaseRequest{kOther, 2});
  }
  std::vector<ItemId> Lost(LinkId link) const {
    std::vector<ItemId> items;
    for (const auto& [to, message] : to_worker_) {
      const auto* lost = std::get_if<LeaseLost>(&message);
      if (to == link && lost != nullptr) items.push_back(lost->item);
    }
    return items;
  }
  std::vector<SessionId> HoldersOfFirst() const {
    return job().leases().HoldersOf(0);
  }
};

TEST_F(SchedulerBackupsTest, WhatASlowWorkerHasBegunIsLeasedToAnIdleOneToo) {
  Begin(Items());
  LeaveOnlyTheSlow();
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].item, kFirst);
  EXPECT_THAT(Leases(kOtherLink)[0].hints, ElementsAre(20, 20));
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker, kOther));
  EXPECT_THAT(Lost(kWorkerLink), IsEmpty());
  EXPECT_EQ(job().parts().backups.counts().leased, 1);
  // There is one more that would be idle, and nothing for it.
  now_ += absl::Seconds(1);
  WorkerUp(kThirdLink, kThird);
  EXPECT_THAT(Leases(kThirdLink), IsEmpty());
}

TEST_F(SchedulerBackupsTest, WhatAWorkerKeepsPartsOfIsLeftToIt) {
  JobRecord record = Items();
  record.plan.filters.push = {.kind = FilterKind::kTopK, .share = 0.01};
  Begin(record);
  LeaveOnlyTheSlow();
  EXPECT_THAT(Leases(kOtherLink), IsEmpty());
}

TEST_F(SchedulerBackupsTest, ACopyThatAWorkerTrainsIsLeftToIt) {
  JobRecord record = Items();
  record.plan.algorithm = {.worker_vectors = 2, .keeps_effect = true};
  Begin(record);
  LeaveOnlyTheSlow();
  EXPECT_THAT(Leases(kOtherLink), IsEmpty());
}

// The marks of both are those of the run's beginning.
TEST_F(SchedulerBackupsTest, WithinARunItsWorkerSaysHowFarItIs) {
  JobRecord record = Items();
  record.plan.algorithm = {.push_batches = 10,
                           .pull_batches = 10,
                           .worker_vectors = 3,
                           .runs = true};
  Begin(record);
  const auto tell_batch = [&](int64_t batch) {
    Progress progress{kWorker, job_, job().state().generation, kFirst};
    progress.examples = 20;
    progress.batch = batch;
    FromWorker(kWorkerLink, progress);
  };
  now_ += absl::Seconds(2);
  tell_batch(90);
  for (const ItemId item : {kSecond, kLast}) {
    Marks(item, 100);
    Ends(kOtherLink, kOther, item, 200);
  }
  FromWorker(kOtherLink, LeaseRequest{kOther, 2});
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker));
  tell_batch(20);
  now_ += absl::Seconds(1);
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker, kOther));
}

TEST_F(SchedulerBackupsTest, WhatItHasNotBegunIsTakenFromIt) {
  Begin(Items(), 2);
  LeaveOnlyTheSlow();
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].item, kSecond);
  EXPECT_THAT(Lost(kWorkerLink), ElementsAre(kSecond));
  EXPECT_THAT(job().leases().HeldBy(kWorker), ElementsAre(0));
  EXPECT_THAT(job().leases().HeldBy(kOther), ElementsAre(1));
  EXPECT_EQ(job().parts().backups.counts().moved, 1);
  EXPECT_EQ(job().parts().backups.counts().leased, 0);
}

TEST_F(SchedulerBackupsTest, NobodyHelpsAWorkerThatIsAsFast) {
  Begin(Items());
  now_ += absl::Seconds(2);
  Computed(kWorkerLink, kWorker, kFirst, 90);
  Marks(kFirst, 20);  // So much to do that anybody could help.
  Marks(kSecond, 100);
  Marks(kLast, 100);
  Ends(kOtherLink, kOther, kSecond, 50);
  Ends(kOtherLink, kOther, kLast, 100);
  FromWorker(kOtherLink, LeaseRequest{kOther, 2});
  EXPECT_THAT(Leases(kOtherLink), IsEmpty());
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker));
  // Later it is slower.
  now_ += absl::Seconds(6);
  Computed(kWorkerLink, kWorker, kFirst, 100);
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker, kOther));
}

TEST_F(SchedulerBackupsTest, NobodyHelpsWhileSomethingIsOpen) {
  JobRecord record = Items();
  record.plan.examples = 500;
  Begin(record);
  now_ += absl::Seconds(2);
  Computed(kWorkerLink, kWorker, kFirst, 20);
  Ends(kOtherLink, kOther, kSecond, 100);
  Ends(kOtherLink, kOther, kLast, 200);
  FromWorker(kOtherLink, LeaseRequest{kOther, 2});
  EXPECT_THAT(Leases(kOtherLink), SizeIs(2));
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker));
}

// The end of an epoch is waited for, too: by its evaluation.
TEST_F(SchedulerBackupsTest, WhoWouldBeginTheNextEpochHelpsFirst) {
  JobRecord record = Items();
  record.plan.epochs = 2;
  Begin(record);
  LeaveOnlyTheSlow();
  ASSERT_THAT(Leases(kOtherLink), SizeIs(2));
  EXPECT_EQ(Leases(kOtherLink)[0].item, kFirst);
  EXPECT_EQ(Leases(kOtherLink)[1].item, (ItemId{1, 0}));
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker, kOther));
}

// It asks for the next while it has one to do, which would be done later.
TEST_F(SchedulerBackupsTest, WhatTheHelperHasToDoBeforeCounts) {
  JobRecord record = Items();
  record.plan.epochs = 2;
  Begin(record, 2);
  now_ += absl::Seconds(2);
  Computed(kWorkerLink, kWorker, kFirst, 100);
  Marks(kFirst, 50);
  Computed(kOtherLink, kOther, kLast, 110);
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  // As fast, it would be done with both no earlier.
  EXPECT_EQ(Leases(kOtherLink)[0].item, (ItemId{1, 0}));
}

TEST_F(SchedulerBackupsTest, TheFirstThatIsDoneEndsBothLeases) {
  Begin(Items());
  LeaveOnlyTheSlow();
  now_ += absl::Seconds(1);
  Computed(kWorkerLink, kWorker, kFirst, 30);
  Ends(kOtherLink, kOther, kFirst, 200 + 80);
  EXPECT_THAT(Lost(kWorkerLink), ElementsAre(kFirst));
  EXPECT_THAT(HoldersOfFirst(), IsEmpty());
  EXPECT_EQ(job().parts().backups.counts().won, 1);
  EXPECT_EQ(job().parts().backups.counts().lost, 0);
  EXPECT_EQ(job().parts().backups.counts().computed_twice, 10);
  // It is a hint, as ever: what is not confirmed is open again.
  Tick(absl::Seconds(1));
  EXPECT_THAT(HoldersOfFirst(), SizeIs(1));  // Leased again.
  EXPECT_THAT(job().state().failures, IsEmpty());
}

TEST_F(SchedulerBackupsTest, TheSlowOneMayBeFirst) {
  Begin(Items());
  LeaveOnlyTheSlow();
  Ends(kWorkerLink, kWorker, kFirst, 100);
  EXPECT_THAT(Lost(kOtherLink), ElementsAre(kFirst));
  EXPECT_THAT(HoldersOfFirst(), IsEmpty());
  EXPECT_EQ(job().parts().backups.counts().won, 0);
  EXPECT_EQ(job().parts().backups.counts().lost, 1);
  EXPECT_EQ(job().parts().backups.counts().computed_twice, 0);
}

// Whichever dies, the other goes on, and no batch is blamed.
TEST_F(SchedulerBackupsTest, WhenOneDiesTheOtherHasTheItemAlone) {
  for (const LinkId dies : {kWorkerLink, kOtherLink}) {
    Restart({});
    Begin(Items());
    LeaveOnlyTheSlow();
    WorkerGone(dies);
    const SessionId lives = dies == kWorkerLink ? kOther : kWorker;
    EXPECT_THAT(HoldersOfFirst(), ElementsAre(lives));
    WorkerUp(kThirdLink, kThird);
    EXPECT_THAT(Leases(kThirdLink), IsEmpty());
    EXPECT_THAT(job().state().failures, IsEmpty());
    WorkerGone(dies == kWorkerLink ? kOtherLink : kWorkerLink);
    EXPECT_THAT(HoldersOfFirst(), ElementsAre(kThird));
    EXPECT_EQ(job().state().failures.at(0), 1);
  }
}

TEST_F(SchedulerBackupsTest, ALeaseRunsOutOfOneOfTwo) {
  Begin(Items());
  LeaveOnlyTheSlow();
  now_ += absl::Seconds(2);
  Computed(kOtherLink, kOther, kFirst, 220);
  Tick(absl::Seconds(1));
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kOther));
  EXPECT_THAT(job().state().failures, IsEmpty());
}

TEST_F(SchedulerBackupsTest, WhatFailsAtOneOfTwoIsLeftToTheOther) {
  Begin(Items());
  LeaveOnlyTheSlow();
  Ends(kOtherLink, kOther, kFirst, 200, LeaseEnd::kFailed);
  EXPECT_THAT(job().state().failures, IsEmpty());
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker));
  Ends(kWorkerLink, kWorker, kFirst, 20, LeaseEnd::kFailed);
  EXPECT_EQ(job().state().failures.at(0), 1);
}

// They might find a bad batch and a good one where it was one.
TEST_F(SchedulerBackupsTest, NoItemAtWhichABatchFailedIsLeasedToTwo) {
  Begin(Items());
  Ends(kWorkerLink, kWorker, kFirst, 0, LeaseEnd::kFailed);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  ASSERT_THAT(HoldersOfFirst(), ElementsAre(kWorker));
  LeaveOnlyTheSlow();
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker));
}

// It would hold all back as long as it is in the view.
TEST_F(SchedulerBackupsTest, UnderABoundWhatIsBegunIsTakenFromASlowWorker) {
  JobRecord record = Items();
  record.plan.consistency.kind = ConsistencyKind::kSsp;
  record.plan.consistency.clock_bound = 2;
  Begin(record);
  AsksToJoin(kWorkerLink, kWorker, kFirst);
  LeaveOnlyTheSlow();
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kOther));
  EXPECT_THAT(Lost(kWorkerLink), ElementsAre(kFirst));
  EXPECT_FALSE(job().parts().view.view().Contains(kWorker));
}

TEST_F(SchedulerBackupsTest, ARoundsLastItemIsLeasedTwice) {
  JobRecord record = Items();
  record.plan.epochs = 2;
  record.plan.consistency.kind = ConsistencyKind::kRounds;
  record.plan.consistency.round_items = 3;
  record.plan.consistency.rounds_in_memory = 4;
  Begin(record);
  LeaveOnlyTheSlow();
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker, kOther));
}

// One that evaluates holds up the end of the job, as one that trains does. The
// slow one evaluates, and the other, which has nothing to do, does so, too.
class SlowEvaluationTest : public SchedulerBackupsTest {
 protected:
  SlowEvaluationTest() {
    JobRecord record = Items();
    record.plan.evaluate_every = 1;
    Begin(record);
    LeaveOnlyTheSlow();
    Ends(kWorkerLink, kWorker, kFirst, 100);
    FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
    Marks(kFirst, 100);
    SnapshotAsked();
  }
  void SnapshotAsked() {
    for (const SchedulerToServer& message : to_server_) {
      if (const auto* take = std::get_if<TakeSnapshot>(&message)) {
        snapshot_ = take->snapshot;
      }
    }
  }
  void SnapshotIsThere() {
    SnapshotReply reply;
    reply.job = job_;
    reply.generation = job().state().generation;
    reply.snapshot = snapshot_;
    for (int32_t p = 0; p < 2; ++p) {
      reply.partitions.emplace_back(PartitionId(p),
                                    job().placement().at(PartitionId(p)).drawn);
    }
    FromServer(reply, kServerSession);
  }
  std::vector<LinkId> Evaluators() const {
    std::vector<LinkId> links;
    for (const auto& [link, message] : to_worker_) {
      if (std::holds_alternative<EvaluationLease>(message)) {
        links.push_back(link);
      }
    }
    return links;
  }
  void Evaluated(LinkId link, SessionId session, const std::string& error) {
    EvaluationResult result{session, job_, job().state().generation, snapshot_};
    result.error = error;
    result.examples = 10;
    result.correct = session == kOther ? 9 : 8;
    result.figures = {{{"f1", session == kOther ? 0.9 : 0.8}}, {1, 2, 3, 4}};
    FromWorker(link, result);
  }

  int64_t snapshot_ = 0;
};

TEST_F(SlowEvaluationTest, AnIdleWorkerThatIsFasterEvaluatesToo) {
  SnapshotIsThere();
  EXPECT_THAT(Evaluators(), ElementsAre(kWorkerLink, kOtherLink));

  Evaluated(kOtherLink, kOther, "");
  Evaluated(kWorkerLink, kWorker, "");  // Too late.

  ASSERT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_EQ(job().state().evaluations[0].accuracy, 0.9);
  EXPECT_FALSE(job().parts().evaluations.underway());
}

TEST_F(SlowEvaluationTest, OneAsFastDoesNot) {
  WorkerGone(kOtherLink);
  WorkerUp(kThirdLink, kThird);  // Nobody knows how fast it is.
  SnapshotIsThere();
  EXPECT_THAT(Evaluators(), ElementsAre(kWorkerLink));
}

TEST_F(SlowEvaluationTest, WhicheverIsLostTheOtherGoesOn) {
  SnapshotIsThere();
  WorkerGone(kWorkerLink);
  EXPECT_THAT(to_server_, IsEmpty());  // No other snapshot.
  EXPECT_TRUE(job().parts().evaluations.Evaluates(kOther));

  Evaluated(kOtherLink, kOther, "");

  ASSERT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_EQ(job().state().evaluations[0].accuracy, 0.9);
}

TEST_F(SlowEvaluationTest, OneThatFailsLeavesItToTheOther) {
  SnapshotIsThere();
  Evaluated(kOtherLink, kOther, "no memory");
  EXPECT_THAT(Evaluators(), IsEmpty());  // Not again.
  EXPECT_THAT(job().state().evaluations, IsEmpty());

  Evaluated(kWorkerLink, kWorker, "");

  ASSERT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_EQ(job().state().evaluations[0].accuracy, 0.8);
}

// It would begin that, and never end this.
TEST_F(SlowEvaluationTest, WhoEvaluatesIsNotAskedToEvaluateAnotherJob) {
  SnapshotIsThere();
  EvaluationResult result{kOther, job_, job().state().generation, snapshot_};
  JobRecord another = Record();
  another.plan.evaluate_every = 1;
  Submit(another);
  Register(4, 4);
  SnapshotAsked();
  SnapshotIsThere();
  EXPECT_THAT(Evaluators(), IsEmpty());

  FromWorker(kOtherLink, result);

  EXPECT_THAT(Evaluators(), ElementsAre(kOtherLink));
}

// Of two that claim one item, a new scheduler lets the first go on.
TEST_F(SchedulerBackupsTest, ANewSchedulerKnowsOneOfTheTwo) {
  Begin(Items());
  LeaveOnlyTheSlow();
  const JobRegistration before = Registration(0, 0);
  Restart(stored_);
  ServerUp({before});
  FromServer(RegisterPartitions{kServerSession, Registration(0, 0)},
             kServerSession);
  for (const auto& [link, session] :
       {std::pair(kWorkerLink, kWorker), std::pair(kOtherLink, kOther)}) {
    RegisterWorker message{session, "w"};
    message.held = {{job_, job().state().generation, kFirst}};
    FromWorker(link, message);
  }
  EXPECT_THAT(HoldersOfFirst(), ElementsAre(kWorker));
  EXPECT_THAT(Lost(kOtherLink), ElementsAre(kFirst));
}

// In short rounds a slow worker's leases are lost before it says anything.
TEST(PaceTest, WhatIsHeardOfLaterCountsForTheTimeItTook) {
  const absl::Time begin = absl::FromUnixSeconds(1'000'000);
  Pace pace;
  for (int round = 0; round < 4; ++round) {
    pace.Begin(0, begin + absl::Seconds(2) * round);
    pace.End(begin + absl::Seconds(2) * round + absl::Seconds(1));
  }
  pace.Begin(0, begin + absl::Seconds(8));

  pace.Heard(50, false, begin + absl::Seconds(9));

  EXPECT_EQ(pace.PerExample(), absl::Milliseconds(100));  // 5 s, not 1 s.
}

TEST(PaceTest, WhatItDidForAnotherJobDoesNotCount) {
  const absl::Time begin = absl::FromUnixSeconds(1'000'000);
  Pace pace;
  pace.Begin(0, begin);
  pace.End(begin + absl::Seconds(1));
  pace.Begin(1'000, begin + absl::Seconds(2));

  pace.Heard(1'010, false, begin + absl::Seconds(3));

  EXPECT_EQ(pace.PerExample(), absl::Milliseconds(100));
}

TEST(PaceTest, AWorkerThatWaitedIsNotTakenForAFasterOne) {
  const absl::Time begin = absl::FromUnixSeconds(1'000'000);
  Pace pace;
  pace.Begin(0, begin);
  pace.Heard(10, true, begin + absl::Seconds(1));
  EXPECT_EQ(pace.PerExample(), std::nullopt);
  pace.Heard(20, false, begin + absl::Seconds(2));

  pace.Heard(25, true, begin + absl::Seconds(5));

  EXPECT_EQ(pace.PerExample(), absl::Milliseconds(100));
  // Waiting or not, it did 20 in a second.
  pace.Heard(45, true, begin + absl::Seconds(6));
  EXPECT_LT(pace.PerExample(), absl::Milliseconds(80));
}

}  // namespace
}  // namespace ebb::scheduler

// Items that fail, and workers that cannot begin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "scheduler/job/job_state.h"
#include "scheduler/scheduler_fixture.h"
#include "scheduler/store_keys.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

class SchedulerPoisonTest : public SchedulerFixture {};

TEST_F(SchedulerPoisonTest, AnItemThatKeepsKillingWorkersIsQuarantined) {
  Ready();
  for (int i = 0; i < 2; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    WorkerGone(kWorkerLink);
  }
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(0), 2);
  SchedulerActions actions;
  ASSERT_TRUE(core_->Resume(job_, true, now_, &actions).ok());
  Do(std::move(actions));
  Register();
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_THAT(Leases(kWorkerLink)[0].skipped, SizeIs(1));
}

TEST_F(SchedulerPoisonTest, ALeaseThatAGoodbyeCrossesIsNobodysDeath) {
  Ready();
  for (int i = 0; i < 5; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    ASSERT_THAT(Leases(kWorkerLink), Not(IsEmpty()));
    FromWorker(kWorkerLink, WorkerGoodbye{kWorker});
  }
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(0), 0);
}

class SkipTest : public SchedulerPoisonTest {
 protected:
  // Two workers die on the first item, and its batch is to be skipped.
  void WantSkip() {
    JobRecord record = Record();
    record.plan.on_poison = PoisonPolicy::kSkip;
    ServerUp();
    Submit(record);
    Register();
    for (int i = 0; i < 2; ++i) {
      WorkerUp(kWorkerLink, kWorker);
      WorkerGone(kWorkerLink);
    }
  }
};

TEST_F(SkipTest, IsSettledWhenAllPartitionsSayUnderNewTermsWhatTheyHave) {
  WantSkip();
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_THAT(Grants()[0].partitions, SizeIs(2));
  // What is late says nothing of what was on its way.
  JobRegistration late = Registration(0, 0);
  for (auto& one : late.partitions) one.term = Term(one.term.value() - 100);
  FromServer(RegisterPartitions{kServerSession, late}, kServerSession);
  EXPECT_THAT(job().state().skipped, IsEmpty());
  Register();
  EXPECT_THAT(job().state().skipped, SizeIs(1));
}

// Bug: the batch was applied on one partition and skipped on the other (seed
// 19311): the push of a worker that died was not reported yet.
TEST_F(SkipTest, IsNoneWhenAPartitionHasTheBatch) {
  WantSkip();
  JobRegistration registration = Registration(0, 0);
  MarkSet marks(job().plan());
  ASSERT_TRUE(marks.Raise({0, 0}, 1).ok());
  registration.partitions[1].marks = marks.Encode();
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  EXPECT_THAT(job().state().skipped, IsEmpty());
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_EQ(Leases(kWorkerLink)[0].item, (ItemId{0, 0}));
  EXPECT_THAT(Leases(kWorkerLink)[0].skipped, IsEmpty());
}

TEST_F(SkipTest, NobodyWorksOnTheItemMeanwhile) {
  WantSkip();
  // Who was taken for dead, and has it still.
  RegisterWorker message{kWorker, "w"};
  message.held = {{job_, job().state().generation, {0, 0}}};
  FromWorker(kWorkerLink, message);
  // It hears so before it learns the new terms.
  ASSERT_THAT(to_worker_, Not(IsEmpty()));
  EXPECT_TRUE(std::holds_alternative<LeaseLost>(to_worker_[0].second));
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
}

// Bug: whose lease had run out went on with the item under the new terms (seed
// 12067).
TEST_F(SkipTest, WhoMayHaveTheItemStillHearsThatItIsLost) {
  JobRecord record = Record();
  record.plan.on_poison = PoisonPolicy::kSkip;
  ServerUp();
  Submit(record);
  Register();
  for (int i = 0; i < 2; ++i) {
    FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
    FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
    ASSERT_EQ(Leases(kWorkerLink).size(), 1u);
    Tick(SchedulerOptions().lease_ttl + absl::Seconds(1));
  }
  ASSERT_THAT(Grants(), SizeIs(1));
  ASSERT_THAT(to_worker_, Not(IsEmpty()));
  EXPECT_TRUE(std::holds_alternative<LeaseLost>(to_worker_[0].second));
}

TEST_F(SkipTest, IsWantedStillWhenTheServerWasAway) {
  WantSkip();
  const JobRegistration late = Registration(0, 0);
  ServerGone();
  ServerUp();
  FromServer(RegisterPartitions{kServerSession, late}, kServerSession);
  EXPECT_THAT(job().state().skipped, IsEmpty());
  Register();
  EXPECT_THAT(job().state().skipped, SizeIs(1));
}

// Spot machines die often, and at any batch.
TEST_F(SchedulerPoisonTest, AnItemThatAdvancesBetweenDeathsIsNot) {
  Ready();
  for (int i = 0; i < 2; ++i) {
    JobRegistration registration = Registration(0, 0);
    MarkSet marks(job().plan());
    ASSERT_TRUE(marks.Raise({0, 0}, i).ok());
    for (auto& partition : registration.partitions) {
      partition.marks = marks.Encode();
    }
    FromServer(RegisterPartitions{kServerSession, registration},
               kServerSession);
    WorkerUp(kWorkerLink, kWorker);
    WorkerGone(kWorkerLink);
  }
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
}

// Bug: the next item, which it only held, was blamed, too: one that hangs
// workers took those after it with it.
TEST_F(SchedulerPoisonTest, AWorkerThatHangsBlamesOneItem) {
  Ready();
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(2));
  Tick(SchedulerOptions().lease_ttl);
  EXPECT_THAT(job().state().failures, ElementsAre(Pair(0, 1)));
}

// Bug: on a machine that was overloaded the leases of all ran out again and
// again, and the job was paused for an example that nothing was wrong with.
TEST_F(SchedulerPoisonTest, NoItemIsBlamedWhileAllWorkersStall) {
  Ready();
  for (int i = 0; i < Stalls::kMostExcuses; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    Tick(absl::Seconds(1));
    WorkerUp(kOtherLink, kOther);
    Tick(SchedulerOptions().lease_ttl - absl::Seconds(1));
    Tick(absl::Seconds(1));
  }
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(job().state().quarantined, IsEmpty());
}

TEST_F(SchedulerPoisonTest,
       TwoItemsThatHangWorkersDoNotExcuseEachOtherForEver) {
  Ready();
  for (int i = 0; i < Stalls::kMostExcuses + 3; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    WorkerUp(kOtherLink, kOther);
    Tick(SchedulerOptions().lease_ttl);
  }
  EXPECT_THAT(job().state().quarantined, SizeIs(2));
}

// The death on the later batch was the item's, the stall was not.
TEST_F(SchedulerPoisonTest, AStallTakesBackOnlyWhatItExcuses) {
  JobRecord record = Record();
  record.plan.quarantine_after = 3;
  ServerUp();
  Submit(record);
  Register();
  WorkerUp(kWorkerLink, kWorker);  // Item 0.
  Tick(absl::Seconds(1));
  WorkerUp(kOtherLink, kOther);  // Item 1.
  Tick(SchedulerOptions().lease_ttl - absl::Seconds(1));
  EXPECT_THAT(job().state().failures, ElementsAre(Pair(0, 1)));
  // Somebody else goes on with item 0, comes to its second example, and dies.
  JobRegistration registration = Registration(0, 0);
  MarkSet marks(job().plan());
  ASSERT_TRUE(marks.Raise({0, 0}, 1).ok());
  for (auto& one : registration.partitions) one.marks = marks.Encode();
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  const LinkId third(9);
  WorkerUp(third, SessionId(203));
  ASSERT_EQ(Leases(third)[0].item.shard, 0);
  WorkerGone(third);
  Tick(absl::Seconds(1));  // Item 1 stalls, too.
  EXPECT_THAT(job().state().failures, testing::Contains(Pair(0, 1)));
}

TEST_F(SchedulerPoisonTest, AnItemThatHangsWorkersOneAfterAnotherIsBlamed) {
  Ready();
  for (int i = 0; i < 2; ++i) {
    WorkerUp(i == 0 ? kWorkerLink : kOtherLink, i == 0 ? kWorker : kOther);
    Tick(SchedulerOptions().lease_ttl);
  }
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_THAT(job().state().reason, HasSubstr("worker w said nothing for"));
}

// Bug: as in AWorkerThatHangsBlamesOneItem, where the leases did not run out
// together.
TEST_F(SchedulerPoisonTest, AWorkerThatHangsAndDiesBlamesOneItem) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  now_ += absl::Milliseconds(100);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  now_ += absl::Milliseconds(100);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  ASSERT_EQ(job().leases().CountHeldBy(kWorker), 4);
  Tick(SchedulerOptions().lease_ttl - absl::Milliseconds(200));
  ASSERT_EQ(job().leases().CountHeldBy(kWorker), 3);
  Tick(absl::Milliseconds(100));
  ASSERT_EQ(job().leases().CountHeldBy(kWorker), 1);
  WorkerGone(kWorkerLink);
  EXPECT_THAT(job().state().failures, ElementsAre(Pair(0, 1)));
}

TEST_F(SchedulerPoisonTest, AJobPausesWhenTheLastThatCouldWorkOnItLeaves) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  CannotBegin(kWorkerLink, kWorker);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  WorkerGone(kOtherLink);
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_THAT(job().state().reason, HasSubstr("data.csv is not there"));
  // Nothing is skipped for it.
  SchedulerActions resumed;
  ASSERT_TRUE(core_->Resume(job_, true, now_, &resumed).ok());
  EXPECT_THAT(job().state().skipped, IsEmpty());
}

TEST_F(SchedulerPoisonTest, AWorkerThatCannotBeginStopsNobodyElse) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  CannotBegin(kWorkerLink, kWorker);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(to_worker_, IsEmpty());
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  EXPECT_THAT(Leases(kOtherLink), SizeIs(1));

  // Nobody is left who could.
  CannotBegin(kOtherLink, kOther);
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_THAT(job().state().reason, HasSubstr("data.csv is not there"));
  SchedulerActions actions;
  ASSERT_TRUE(core_->Resume(job_, false, now_, &actions).ok());
  Do(std::move(actions));
  EXPECT_THAT(to_worker_, Not(IsEmpty()));  // They try again.
}

// Bug: it said that a batch was skipped, and none was.
TEST_F(SchedulerPoisonTest, NothingIsSkippedWhereNoWorkerCouldBegin) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  CannotBegin(kWorkerLink, kWorker);
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  SchedulerActions actions;
  const absl::Status skipped =
      core_->Resolve(job_, {0, 0}, true, now_, &actions);
  EXPECT_EQ(skipped.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(skipped.message(),
              HasSubstr("no failing batch to skip: no worker "
                        "can begin it"));
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  ASSERT_TRUE(core_->Resolve(job_, {0, 0}, false, now_, &actions).ok());
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
}

// Bug: a worker had died on the item before, and resuming skipped that batch.
TEST_F(SchedulerPoisonTest, ADeathBeforeIsNoReasonToSkipWhatNobodyCanBegin) {
  Ready();
  WorkerUp(kOtherLink, kOther);
  WorkerGone(kOtherLink);
  WorkerUp(kWorkerLink, kWorker);
  CannotBegin(kWorkerLink, kWorker);
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_FALSE(job().parts().failures.poison().QuarantinedAt(0).has_value());
}

// Bug: each decision was one about all, and the second was refused.
TEST_F(SchedulerPoisonTest, EachQuarantinedItemIsDecidedAbout) {
  Ready();
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  for (const int32_t shard : {0, 1}) {
    ItemEnd end{kWorker, job_, job().state().generation, {0, shard}};
    end.end = LeaseEnd::kFailed;
    end.failed_end = 1;
    end.non_finite = true;
    FromWorker(kWorkerLink, end);
  }
  ASSERT_THAT(job().state().quarantined, SizeIs(2));
  SchedulerActions actions;
  ASSERT_TRUE(core_->Resolve(job_, {0, 0}, true, now_, &actions).ok());
  Register();
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_THAT(job().state().skipped, SizeIs(1));
  ASSERT_TRUE(core_->Resolve(job_, {0, 1}, false, now_, &actions).ok());
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(job().state().skipped, SizeIs(1));
  // Once more changes nothing.
  EXPECT_TRUE(core_->Resolve(job_, {0, 1}, false, now_, &actions).ok());
  EXPECT_TRUE(
      absl::IsNotFound(core_->Resolve(job_, {0, 0}, true, now_, &actions)));
  EXPECT_TRUE(
      absl::IsNotFound(core_->Resolve(job_, {9, 0}, false, now_, &actions)));
}

// Bug: all had the reason of the one that came last, also once that was gone.
TEST_F(SchedulerPoisonTest, EachQuarantinedItemHasItsOwnReason) {
  Ready();
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  for (const int32_t shard : {0, 1}) {
    ItemEnd end{kWorker, job_, job().state().generation, {0, shard}};
    end.end = LeaseEnd::kFailed;
    end.failed_end = 1;
    end.non_finite = true;
    end.error = shard == 0 ? "first" : "second";
    FromWorker(kWorkerLink, end);
  }
  Restart(std::map(stored_));
  ASSERT_THAT(job().state().quarantined, ElementsAre(0, 1));
  // Bug: they named the item once more, to those who had just done so.
  EXPECT_EQ(job().parts().failures.poison().WhyQuarantined(0).text,
            "at example 0: first");
  EXPECT_EQ(job().parts().failures.poison().WhyQuarantined(1).text,
            "at example 0: second");
  EXPECT_EQ(job().state().reason,
            "item (epoch 1, shard 2) is quarantined: at example 0: second");
  // Of what an older ebb stored there is one reason, of the last.
  const std::string key = JobKey(job_, "state");
  JobState older = *JobState::Decode(stored_.at(key));
  older.why_quarantined.clear();
  const std::map now(stored_);
  stored_[key] = older.Encode();
  Restart(std::map(stored_));
  EXPECT_EQ(job().parts().failures.poison().WhyQuarantined(1).text,
            "at example 0: second");
  Restart(now);
  SchedulerActions actions;
  ASSERT_TRUE(core_->Resolve(job_, {0, 1}, false, now_, &actions).ok());
  EXPECT_EQ(job().state().reason,
            "item (epoch 1, shard 1) is quarantined: at example 0: first");
  // Bug: it was still said of a job that only an operator's pause held up.
  ASSERT_TRUE(core_->Pause(job_, now_, &actions).ok());
  ASSERT_TRUE(core_->Resolve(job_, {0, 0}, false, now_, &actions).ok());
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_THAT(job().state().reason, HasSubstr("operator"));
}

// Bug: it was told to have failed as often as the job allows.
TEST_F(SchedulerPoisonTest, AQuarantinedItemTellsHowOftenItFailed) {
  Ready();
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  ItemEnd end{kWorker, job_, job().state().generation, {0, 1}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 1;
  end.non_finite = true;  // Once is enough.
  FromWorker(kWorkerLink, end);
  WorkerGone(kWorkerLink);  // It dies on the first.
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(1), 1);
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(0), 1);
  ASSERT_THAT(job().state().quarantined, ElementsAre(1));
  Restart(std::map(stored_));
  ServerUp({Registration(0, 0)});
  Register();
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(1), 1);
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(0), 1);
  // It stays quarantined when all else begins again.
  SchedulerActions back;
  ASSERT_TRUE(core_
                  ->Rollback(job_, {.generation = job().state().generation},
                             now_, &back)
                  .ok());
  Do(std::move(back));
  EXPECT_THAT(job().state().failures, ElementsAre(Pair(1, 1)));
  // Who tries it again counts anew.
  SchedulerActions actions;
  ASSERT_TRUE(core_->Resolve(job_, {0, 1}, false, now_, &actions).ok());
  EXPECT_THAT(job().state().failures, IsEmpty());
}

TEST_F(SchedulerPoisonTest, DeathsAddUpBetweenWorkersThatCannotBegin) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  CannotBegin(kOtherLink, kOther);
  WorkerGone(kWorkerLink);
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(0), 0)
      << "it is no batch's fault";
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_EQ(job().state().phase, JobPhase::kRunning);
  WorkerGone(kWorkerLink);
  EXPECT_TRUE(job().parts().failures.poison().QuarantinedAt(0).has_value());
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(0), 2);
}

// Bug: the job stayed paused until an operator came.
TEST_F(SchedulerPoisonTest, TheNextWorkerMakesAJobGoOnThatNobodyCouldBegin) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  CannotBegin(kWorkerLink, kWorker);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  Restart(std::map(stored_));  // It is remembered.
  ServerUp({Registration(0, 0)});
  Register();
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);

  WorkerUp(kOtherLink, kOther);

  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].item, (ItemId{0, 0}));
}

// Bug: nothing was left to report that could have completed it.
TEST_F(SchedulerPoisonTest, WhatWasDoneWhileItWasPausedCompletesIt) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  CannotBegin(kWorkerLink, kWorker);
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  Register(4, 4);  // Another, whose connection was broken, went on.
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  WorkerUp(kOtherLink, kOther);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

// Bug: the batch was forgotten, and the next worker began it once more.
TEST_F(SchedulerPoisonTest, ALateEndOfItsLeaseChangesNoQuarantine) {
  Ready();
  for (int i = 0; i < 2; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    WorkerGone(kWorkerLink);
  }
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  ASSERT_TRUE(job().parts().failures.poison().QuarantinedAt(0).has_value());
  FromWorker(kOtherLink, RegisterWorker{kOther, "late"});
  ItemEnd end{kOther, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kDone;
  FromWorker(kOtherLink, end);
  EXPECT_TRUE(job().parts().failures.poison().QuarantinedAt(0).has_value());
}

TEST_F(SchedulerPoisonTest, ANewWorkerIsNoReasonToTryAPoisonousBatchAgain) {
  Ready();
  for (int i = 0; i < 2; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    WorkerGone(kWorkerLink);
  }
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  WorkerUp(kOtherLink, kOther);
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
}

TEST_F(SchedulerPoisonTest, NoBatchIsSkippedForAWorkerThatCannotBegin) {
  ServerUp();
  JobRecord record = Record();
  record.plan.on_poison = PoisonPolicy::kSkip;
  Submit(record);
  Register();
  for (int i = 0; i < 2; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    ItemEnd end{kWorker, job_, job().state().generation, {0, 0}};
    end.end = LeaseEnd::kFailed;
    end.error = "no such file";
    FromWorker(kWorkerLink, end);
  }
  EXPECT_THAT(job().state().skipped, IsEmpty());
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
}

TEST_F(SchedulerPoisonTest, ALateFailureDoesNotPauseWhatWasCancelled) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  SchedulerActions actions;
  ASSERT_TRUE(core_->Cancel(job_, now_, &actions).ok());
  ItemEnd end{kWorker, job_, job().state().generation, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 1;
  end.non_finite = true;
  FromWorker(kWorkerLink, end);
  EXPECT_EQ(job().state().phase, JobPhase::kCancelled);
}

TEST_F(SchedulerPoisonTest, ADeathWhileAServerIsAwayBlamesNoItem) {
  Ready();
  for (int i = 0; i < 3; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    SchedulerActions actions;
    core_->OnServerDisconnected(kServerLink, now_, &actions);
    core_->OnWorkerDisconnected(kWorkerLink, now_, &actions);
    Do(std::move(actions));
    ServerUp({Registration(0, 0)});
    Register();
  }
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
}

// Bug: a batch that all but one partition had skipped was computed for ever
// (seed 564).
TEST_F(SchedulerPoisonTest, ASkipThatAServerRemembersIsNotForgotten) {
  Ready();
  const SkippedRange skipped{{0, 1}, 0, 1};
  JobRegistration registration = Registration(0, 0);
  registration.partitions[1].skipped = {skipped};
  Restart({});  // The scheduler's store is lost.
  ServerUp({registration});
  registration.generation = job().state().generation;
  for (auto& one : registration.partitions) {
    one.term = job().placement().at(one.partition).drawn;
  }
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(2));
  EXPECT_THAT(Leases(kWorkerLink)[0].skipped, IsEmpty());
  EXPECT_THAT(Leases(kWorkerLink)[1].skipped, ::testing::ElementsAre(skipped));
}

TEST_F(SchedulerPoisonTest, WhoHoldsAnItemHearsOfASkipThatAServerRemembers) {
  Ready();
  const SkippedRange skipped{{0, 1}, 0, 1};
  JobRegistration registration = Registration(0, 0);
  registration.partitions[1].skipped = {skipped};
  const Generation generation = job().state().generation;
  Restart({});
  RegisterWorker worker{kWorker, "w"};
  worker.held = {{job_, generation, {0, 1}}};
  FromWorker(kWorkerLink, worker);
  ServerUp({registration});
  registration.generation = job().state().generation;
  for (auto& one : registration.partitions) {
    one.term = job().placement().at(one.partition).drawn;
  }
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_THAT(Leases(kWorkerLink)[0].skipped, ::testing::ElementsAre(skipped));
}

}  // namespace
}  // namespace ebb::scheduler

// Jobs that roll back by themselves, with a smaller rate, when a gradient is
// not finite.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class SchedulerNonfiniteTest : public SchedulerFixture {
 protected:
  static JobRecord RecordThatRollsBack() {
    JobRecord record = Record();
    record.plan.on_nonfinite = PoisonPolicy::kRollBack;
    record.plan.nonfinite_rollback = {.factor = 0.25, .versions = 1, .most = 2};
    record.plan.checkpoint_keep = 3;
    return record;
  }
  void Begin(const JobRecord& record = RecordThatRollsBack()) {
    ServerUp();
    Submit(record);
    RegisterWith({});
    FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
    FromWorker(kOtherLink, RegisterWorker{kOther, "v"});
    Ask();
  }
  void Ask() {
    FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
    FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  }
  VersionKey Key(int32_t partition, int64_t sequence) const {
    return {job_, job().state().generation, PartitionId(partition),
            job().placement().at(PartitionId(partition)).drawn, sequence};
  }
  // The server has so many versions of each partition.
  void RegisterWith(std::vector<int64_t> versions, int32_t full = 0) {
    versions.resize(2);
    JobRegistration registration = Registration(full, full);
    registration.rollback = job().state().rollback;
    for (int32_t p = 0; p < 2; ++p) {
      for (int64_t i = 0; i < versions[p]; ++i) {
        registration.partitions[p].stored.push_back({Key(p, i), {}});
      }
    }
    FromServer(RegisterPartitions{kServerSession, registration},
               kServerSession);
  }
  void Fails(LinkId link, SessionId worker, Generation generation,
             int32_t shard) {
    ItemEnd end{worker, job_, generation, {0, shard}};
    end.end = LeaseEnd::kFailed;
    end.failed_end = 1;
    end.non_finite = true;
    end.error = "the loss is nan";
    FromWorker(link, end);
  }
  void Fails() { Fails(kWorkerLink, kWorker, job().state().generation, 0); }
};

TEST_F(SchedulerNonfiniteTest, GoesBackWithASmallerRateInANewGeneration) {
  Begin();
  const Generation before = job().state().generation;
  RegisterWith({3, 1});
  Ask();
  const VersionKey first = Key(0, 1), second = Key(1, 0);
  Fails();
  EXPECT_GT(job().state().generation, before);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  ASSERT_THAT(Grants(), SizeIs(1));
  const RollbackRecord record = Grants()[0].rollback;
  EXPECT_THAT(record.versions, ElementsAre(first, second));
  EXPECT_EQ(record.rate_factor, 0.25);
  EXPECT_EQ(record.nonfinite, 1);
  EXPECT_EQ(job().state().rolled_back,
            "by 1 version: item (epoch 1, shard 1) failed at 0: the loss is "
            "nan (on_nonfinite: rollback 1 of at most 2)");
  // Stored before any server hears of it; see Do().
  Restart(std::map(stored_));
  EXPECT_EQ(job().state().rollback, record);
}

TEST_F(SchedulerNonfiniteTest, WorkersLearnTheRateWithTheirLeases) {
  Begin();
  Fails();
  RegisterWith({});
  Ask();
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].rate_factor, 0.25);
}

TEST_F(SchedulerNonfiniteTest, SeveralThatMeetOneDivergenceRollBackOnce) {
  Begin();
  const Generation before = job().state().generation;
  Fails(kWorkerLink, kWorker, before, 0);
  const Generation after = job().state().generation;
  Fails(kOtherLink, kOther, before, 1);
  EXPECT_EQ(job().state().generation, after);
  EXPECT_EQ(job().state().rollback.nonfinite, 1);
}

TEST_F(SchedulerNonfiniteTest, WithoutAVersionItBeginsWithInitialValues) {
  Begin();
  Fails();
  EXPECT_THAT(job().state().rollback.versions, IsEmpty());
  EXPECT_EQ(job().state().rollback.rate_factor, 0.25);
}

TEST_F(SchedulerNonfiniteTest, ReportsOfVersionsCount) {
  Begin();
  MarkReport report{kServerSession, job_, job().state().generation};
  for (int32_t p = 0; p < 2; ++p) {
    PartitionMarkReport one{PartitionId(p), Key(p, 0).term};
    one.stored = {{Key(p, 4), {}}, {Key(p, 5), {}}, {Key(p, 6), {}}};
    report.partitions.push_back(one);
  }
  FromServer(report, kServerSession);
  const VersionKey first = Key(0, 5), second = Key(1, 5);
  Fails();
  EXPECT_THAT(job().state().rollback.versions, ElementsAre(first, second));
}

TEST_F(SchedulerNonfiniteTest, PausesAfterTheMostTimes) {
  Begin();
  for (int i = 0; i < 2; ++i) {
    Fails();
    RegisterWith({});
    Ask();
  }
  EXPECT_EQ(job().state().rollback.rate_factor, 0.0625);
  const Generation last = job().state().generation;
  Fails();
  EXPECT_EQ(job().state().generation, last);
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_THAT(job().state().reason,
              HasSubstr("the loss is nan; the job rolled back 2 times already, "
                        "to 0.0625 times its rate"));
}

TEST_F(SchedulerNonfiniteTest, OtherFailuresRollNothingBack) {
  Begin();
  const Generation before = job().state().generation;
  ItemEnd end{kWorker, job_, before, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 1;
  end.error = "no room";
  FromWorker(kWorkerLink, end);
  WorkerGone(kOtherLink);
  EXPECT_EQ(job().state().generation, before);
}

class NonfiniteSkipTest : public SchedulerNonfiniteTest {
 protected:
  static JobRecord RecordThatSkips() {
    JobRecord record = Record();
    record.plan.on_nonfinite = PoisonPolicy::kSkip;
    return record;
  }
  // In present terms, so many of the partitions have the first batch.
  void RegisterApplied(int32_t partitions) {
    JobRegistration registration = Registration(0, 0);
    registration.rollback = job().state().rollback;
    for (int32_t p = 0; p < partitions; ++p) {
      MarkSet marks(job().plan());
      ASSERT_TRUE(marks.Raise({0, 0}, 1).ok());
      registration.partitions[p].marks = marks.Encode();
    }
    FromServer(RegisterPartitions{kServerSession, registration},
               kServerSession);
  }
};

// Bug: the job paused. The push was applied, and its worker, which learned the
// new terms of a skip elsewhere before the answer, computed the batch again.
TEST_F(NonfiniteSkipTest, ABatchThatAllPartitionsHaveIsNotToBlame) {
  Begin(RecordThatSkips());
  RegisterApplied(2);
  Fails();
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(Grants(), IsEmpty());
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_EQ(Leases(kWorkerLink)[0].item, (ItemId{0, 0}));
  EXPECT_THAT(Leases(kWorkerLink)[0].hints, ElementsAre(1, 1));
}

// It can be neither skipped nor counted on the other.
TEST_F(NonfiniteSkipTest, ABatchThatSomePartitionsHavePausesTheJob) {
  Begin(RecordThatSkips());
  RegisterApplied(1);
  Fails();
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_TRUE(job().parts().failures.poison().AppliedSomewhere(0));
  EXPECT_TRUE(job().parts().failures.poison().WhyQuarantined(0).non_finite);
  EXPECT_THAT(
      job().parts().failures.poison().WhyQuarantined(0).text,
      AllOf(StartsWith("at example 0: the loss is nan; 1 of 2 partitions "
                       "applied this batch before, so it cannot be left out"),
            HasSubstr("ebb checkpoint rollback")));
  // Gone back before it, it can.
  SchedulerActions back, on;
  ASSERT_TRUE(core_
                  ->Rollback(job_, {.generation = job().state().generation},
                             now_, &back)
                  .ok());
  Do(std::move(back));
  RegisterApplied(0);
  ASSERT_TRUE(core_->Resume(job_, false, now_, &on).ok());
  Do(std::move(on));
  Ask();
  Fails();
  RegisterApplied(0);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(job().state().skipped, ElementsAre(SkippedRange{{0, 0}, 0, 1}));
}

// Bug: the item was quarantined at the batch that a worker had died in before,
// so a skip would have left out that one.
TEST_F(NonfiniteSkipTest, TheBatchThatFailedIsToBlame) {
  Begin(RecordThatSkips());
  RegisterApplied(1);
  WorkerGone(kWorkerLink);  // Of all that is applied, behind the first batch.
  WorkerUp(kWorkerLink, kWorker);
  Fails();
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_EQ(job().parts().failures.poison().QuarantinedAt(0), 0);
}

// Requirement 2: a scheduler that lost its store has the rate from the servers.
TEST_F(SchedulerNonfiniteTest, TheRateOutlivesTheSchedulersStore) {
  Begin();
  Fails();
  RegisterWith({});
  JobRegistration known = Registration(0, 0);
  known.rollback = job().state().rollback;
  Restart({});
  ServerUp({known});
  EXPECT_EQ(job().state().rollback.rate_factor, 0.25);
  EXPECT_EQ(job().state().rollback.nonfinite, 1);
  for (const Grant& grant : Grants()) {
    EXPECT_EQ(grant.rollback.rate_factor, 0.25);
  }
}

TEST_F(SchedulerNonfiniteTest, EvaluationsOfEpochsThatOpenAgainAreMadeAgain) {
  JobRecord record = RecordThatRollsBack();
  record.plan.epochs = 2;
  record.plan.evaluate_every = 1;
  Begin(record);
  JobState state = job().state();
  state.evaluations = {{.epoch = 0}, {.epoch = 1}};
  std::map<std::string, std::string> stored = stored_;
  for (auto& [key, value] : stored) {
    if (JobState::Decode(value).ok()) value = state.Encode();
  }
  Restart(stored);
  ServerUp({Registration(4, 4)});
  RegisterWith({}, 4);
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  ItemEnd end{kWorker, job_, job().state().generation, {1, 0}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 1;
  end.non_finite = true;
  FromWorker(kWorkerLink, end);
  ASSERT_EQ(job().state().rollback.nonfinite, 1);
  RegisterWith({}, 4);
  ASSERT_THAT(job().state().evaluations, SizeIs(1));
  EXPECT_EQ(job().state().evaluations[0].epoch, 0);
}

class SchedulerNonfiniteRoundsTest : public SchedulerNonfiniteTest {
 protected:
  // Rounds of an item.
  static JobRecord RecordInRounds() {
    JobRecord record = RecordThatRollsBack();
    record.plan.consistency.kind = ConsistencyKind::kRounds;
    record.plan.consistency.round_items = 1;
    return record;
  }
  void RegisterRounds(int32_t full, const std::vector<RoundSpan>& stored) {
    RegisterRounds(full, stored, stored);
  }
  void RegisterRounds(int32_t full, const std::vector<RoundSpan>& first,
                      const std::vector<RoundSpan>& second) {
    JobRegistration registration = Registration(full, full);
    registration.rollback = job().state().rollback;
    for (int32_t p = 0; p < 2; ++p) {
      for (const RoundSpan& span : p == 0 ? first : second) {
        auto& stored = registration.partitions[p].stored;
        const auto sequence = static_cast<int64_t>(stored.size());
        stored.push_back({Key(p, sequence), span});
      }
    }
    FromServer(RegisterPartitions{kServerSession, registration},
               kServerSession);
  }
};

TEST_F(SchedulerNonfiniteRoundsTest, GoesBackByRoundsFromTheOneThatFailed) {
  Begin(RecordInRounds());
  RegisterRounds(3, {{0, 1}, {1, 2}, {2, 3}});
  Ask();
  const VersionKey first = Key(0, 1), second = Key(1, 1);
  Fails(kWorkerLink, kWorker, job().state().generation, 3);
  EXPECT_THAT(job().state().rollback.versions, ElementsAre(first, second));
  EXPECT_EQ(job().state().rollback.rate_factor, 0.25);
  EXPECT_THAT(job().state().rolled_back, HasSubstr("to round 2: item "));
}

TEST_F(SchedulerNonfiniteRoundsTest, AllPartitionsBeginWithOneRound) {
  Begin(RecordInRounds());
  // The newest version of partition 1 has the value of round 1, too, and what
  // it made of that at the rate of before.
  RegisterRounds(3, {{0, 1}, {1, 3}}, {{0, 1}, {1, 2}});
  Ask();
  const VersionKey first = Key(0, 0), second = Key(1, 0);
  Fails(kWorkerLink, kWorker, job().state().generation, 3);
  EXPECT_THAT(job().state().rollback.versions, ElementsAre(first, second));
  EXPECT_THAT(job().state().rolled_back, HasSubstr("to round 1: item "));
}

// No round is open in versions of both.
TEST_F(SchedulerNonfiniteRoundsTest, OrWithTheValueOfOneRound) {
  Begin(RecordInRounds());
  RegisterRounds(3, {{0, 1}, {1, 3}}, {{0, 2}});
  Ask();
  const VersionKey first = Key(0, 0), second = Key(1, 0);
  Fails(kWorkerLink, kWorker, job().state().generation, 3);
  EXPECT_THAT(job().state().rollback.versions, ElementsAre(first, second));
  EXPECT_THAT(job().state().rolled_back, HasSubstr("to round 1: item "));
}

TEST_F(SchedulerNonfiniteRoundsTest, ARollbackOfDamageKeepsTheRate) {
  Begin(RecordInRounds());
  RegisterRounds(1, {{0, 1}});
  Fails(kWorkerLink, kWorker, job().state().generation, 1);
  const Generation before = job().state().generation;
  ASSERT_EQ(job().state().rollback.rate_factor, 0.25);
  // Partition 1 has what it had, and 0 no longer keeps what it computed from.
  JobRegistration registration = Registration(3, 3);
  registration.rollback = job().state().rollback;
  registration.partitions[0].oldest_round = 3;
  registration.partitions[1].marks = MarkSet(job().plan()).Encode();
  registration.partitions[1].durable_marks.clear();
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  EXPECT_GT(job().state().generation, before);
  EXPECT_EQ(job().state().rollback.rate_factor, 0.25);
  EXPECT_EQ(job().state().rollback.nonfinite, 1);
}

}  // namespace
}  // namespace ebb::scheduler

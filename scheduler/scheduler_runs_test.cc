// Careful leases, and skips in runs (docs/decisions/0055-runs.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr ItemId kItem{0, 0};

// Items of 2 batches of an example, each of which is a run.
class SchedulerRunsTest : public SchedulerFixture {
 protected:
  static JobRecord Runs() {
    JobRecord record = Record();
    record.plan.on_poison = PoisonPolicy::kSkip;
    record.plan.algorithm = {.push_batches = 2,
                             .pull_batches = 2,
                             .worker_vectors = 3,
                             .runs = true};
    return record;
  }
  static JobRecord Rounds() {
    JobRecord record = Runs();
    record.plan.consistency = {.kind = ConsistencyKind::kRounds,
                               .round_items = 2};
    record.plan.algorithm.push_batches = 0;
    record.plan.algorithm.pull_batches = 0;
    return record;
  }
  void Begin(const JobRecord& record) {
    ServerUp();
    Submit(record);
    Register();
  }
  Progress ProgressAt(int64_t batch) const {
    Progress progress{kWorker, job_, job().state().generation, kItem};
    progress.batch = batch;
    progress.awaits = true;
    progress.skips = static_cast<int64_t>(job().state().skipped.size());
    return progress;
  }
  // A worker asks for the batch, and dies at it.
  void DieAt(int64_t batch) {
    WorkerUp(kWorkerLink, kWorker);
    ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
    EXPECT_TRUE(Leases(kWorkerLink)[0].careful);
    FromWorker(kWorkerLink, ProgressAt(batch));
    ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
    EXPECT_TRUE(Leases(kWorkerLink)[0].begins);
    EXPECT_EQ(Leases(kWorkerLink)[0].batch, batch);
    WorkerGone(kWorkerLink);
  }
  // One whose lease is an ordinary one.
  void DieSomewhere() {
    WorkerUp(kWorkerLink, kWorker);
    ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
    EXPECT_FALSE(Leases(kWorkerLink)[0].careful);
    WorkerGone(kWorkerLink);
  }
  int32_t Failures() const {
    return job().parts().failures.poison().FailuresOf(0);
  }
};

TEST_F(SchedulerRunsTest, ADeathMakesTheNextLeaseCarefulAndCountsNot) {
  Begin(Runs());
  DieSomewhere();
  EXPECT_EQ(Failures(), 0);
  WorkerUp(kWorkerLink, kWorker);
  EXPECT_TRUE(Leases(kWorkerLink)[0].careful);
  WorkerGone(kWorkerLink);  // Before it asked for a batch.
  EXPECT_EQ(Failures(), 0);
  DieAt(0);
  EXPECT_EQ(Failures(), 1);
}

TEST_F(SchedulerRunsTest, TheBatchThatKillsIsSkippedAlone) {
  Begin(Runs());
  DieSomewhere();
  DieAt(1);
  DieAt(1);
  Register();
  EXPECT_THAT(job().state().skipped, ElementsAre(SkippedRange{kItem, 1, 2}));
}

TEST_F(SchedulerRunsTest, DeathsAtTwoBatchesDoNotAddUp) {
  Begin(Runs());
  DieSomewhere();
  DieAt(1);
  DieAt(0);
  DieAt(1);
  EXPECT_EQ(Failures(), 1);
  EXPECT_THAT(Grants(), IsEmpty());
}

TEST_F(SchedulerRunsTest, AnItemThatWasDoneIsCarefulNoMore) {
  Begin(Runs());
  DieSomewhere();
  WorkerUp(kWorkerLink, kWorker);
  ItemEnd end{kWorker, job_, job().state().generation, kItem};
  end.end = LeaseEnd::kDone;
  FromWorker(kWorkerLink, end);
  EXPECT_FALSE(job().leases().Careful(0));
}

TEST_F(SchedulerRunsTest, AWorkerThatHangsIsAskedToReportEachBatch) {
  Begin(Runs());
  WorkerUp(kWorkerLink, kWorker);
  Tick(SchedulerOptions().lease_ttl + absl::Seconds(1));
  EXPECT_EQ(Failures(), 0);
  EXPECT_TRUE(job().leases().Careful(0));
}

// A worker that hangs at a batch of the item above, for which it asked.
TEST_F(SchedulerRunsTest, AHangIsBookedWhereTheWorkerSaidThatItIs) {
  Begin(Runs());
  DieSomewhere();
  WorkerUp(kWorkerLink, kWorker);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  Progress above = ProgressAt(1);
  above.item = {0, 1};
  FromWorker(kWorkerLink, above);
  Tick(SchedulerOptions().lease_ttl + absl::Seconds(1));
  EXPECT_EQ(Failures(), 0);
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(1), 1);
}

// The first of two hangs was not counted: the second takes no count away.
TEST_F(SchedulerRunsTest, AHangAtAnUnknownBatchAcquitsNone) {
  const absl::Duration half = SchedulerOptions().lease_ttl / 2;
  Begin(Runs());
  WorkerUp(kWorkerLink, kWorker);
  Tick(half);
  FromWorker(kOtherLink, RegisterWorker{kOther, "v"});
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  Tick(half + absl::Seconds(1));
  WorkerGone(kWorkerLink);
  DieAt(0);
  ASSERT_EQ(Failures(), 1);
  Tick(half);  // The other item's lease runs out, too.
  EXPECT_THAT(job().leases().HeldBy(kOther), IsEmpty());
  EXPECT_EQ(Failures(), 1);
}

TEST_F(SchedulerRunsTest, NoBatchBeginsWhereAPeerMadeOneUp) {
  Begin(Runs());
  DieSomewhere();
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  for (const int64_t batch : {int64_t{-1}, int64_t{2}, int64_t{1} << 62}) {
    FromWorker(kWorkerLink, ProgressAt(batch));
    EXPECT_THAT(Leases(kWorkerLink), IsEmpty()) << batch;
  }
}

TEST_F(SchedulerRunsTest, WithoutRunsNobodyAsksForABatch) {
  JobRecord record = Runs();
  record.plan.algorithm = {};
  Begin(record);
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  FromWorker(kWorkerLink, ProgressAt(0));
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
}

TEST_F(SchedulerRunsTest, WithoutRunsTheMarksSayWhere) {
  JobRecord record = Runs();
  record.plan.algorithm = {};
  Begin(record);
  DieSomewhere();
  EXPECT_EQ(Failures(), 1);
}

// Values of a later round may have in them what is left out.
TEST_F(SchedulerRunsTest, ASkipInRoundsEndsAllLeasesForGood) {
  Begin(Rounds());
  DieSomewhere();
  FromWorker(kOtherLink, RegisterWorker{kOther, "v"});
  DieAt(1);
  FromWorker(kOtherLink, LeaseRequest{kOther, 2});
  ASSERT_THAT(Leases(kOtherLink), SizeIs(2));
  Progress held{kOther, job_, job().state().generation, {0, 1}};
  held.batch = 1;
  held.item = kItem;
  held.awaits = true;
  FromWorker(kOtherLink, held);
  // It dies there, too, and a third worker has the other item of the round.
  const LinkId third(7);
  const SessionId third_session(207);
  ItemEnd back{kOther, job_, job().state().generation, {0, 1}};
  back.end = LeaseEnd::kReturned;
  FromWorker(kOtherLink, back);
  WorkerUp(third, third_session);
  ASSERT_THAT(Leases(third), SizeIs(1));
  WorkerGone(kOtherLink);
  const auto hears_of_all = [&] {
    for (const auto& [link, message] : to_worker_) {
      const auto* lost = std::get_if<LeaseLost>(&message);
      if (link == third && lost != nullptr && lost->all) return true;
    }
    return false;
  };
  EXPECT_TRUE(hears_of_all());
  EXPECT_THAT(job().leases().held(), IsEmpty());
  // A worker that did not hear it gets no lease back, before and after.
  Progress progress{third_session, job_, job().state().generation, {0, 1}};
  FromWorker(third, progress);
  EXPECT_THAT(job().leases().held(), IsEmpty());
  Register();
  EXPECT_THAT(job().state().skipped, ElementsAre(SkippedRange{kItem, 1, 2}));
  RegisterWorker again{third_session, "t"};
  again.held = {{job_, job().state().generation, {0, 1}}};
  FromWorker(third, again);
  EXPECT_THAT(Leases(third), IsEmpty());
  EXPECT_THAT(job().leases().HeldBy(third_session), IsEmpty());
}

}  // namespace
}  // namespace ebb::scheduler

// Several jobs on one cluster, and what operators do to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "scheduler/scheduler_control_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(SchedulerControlTest, AHigherPriorityTakesWorkersAtOnce) {
  ServerUp();
  const JobId low = Begin("low", 0);
  WorkersUp(4);
  EXPECT_EQ(Has(low), 4u);
  Applied(low, {0, 3}, 1);
  const JobId high = Begin("high", 10, 1, 2);
  EXPECT_EQ(Has(low), 2u);
  EXPECT_EQ(Has(high), 2u);
  ASSERT_THAT(Lost(), SizeIs(2));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("job=low gives 2 workers to job=high "
                                          "(priority 0 and 10)")));
  // They are given what is new as soon as they ask.
  const LinkId taken = Lost()[0].first;
  const ItemId item = Lost()[0].second;
  const auto worker = Worker(static_cast<int>(taken.value()) - 10);
  FromWorker(taken, LeaseRequest{worker, 1});
  ASSERT_THAT(Leases(taken), SizeIs(1));
  EXPECT_EQ(Leases(taken)[0].record->id, high);
  // Too late: nobody has what it says it does, and it may not have it.
  FromWorker(taken,
             Progress{worker, low, Job(low).state().generation, item, 1});
  EXPECT_THAT(Lost(), ElementsAre(std::pair(taken, item)));
  EXPECT_FALSE(Job(low).leases().held().contains(item.shard));
}

TEST_F(SchedulerControlTest, WhatWasTakenIsLeasedAgainFromItsMark) {
  ServerUp();
  const JobId low = Begin("low", 0);
  WorkersUp(2);
  Applied(low, {0, 0}, 1);
  Applied(low, {0, 1}, 1);
  const JobId high = Begin("high", 10, 1, 1);
  ASSERT_THAT(Lost(), SizeIs(1));
  const ItemId item = Lost()[0].second;
  const LinkId left = Link(Lost()[0].first == Link(0) ? 1 : 0);
  const SessionId worker = Worker(left == Link(0) ? 0 : 1);
  FromWorker(left, LeaseRequest{worker, 1});
  ASSERT_THAT(Leases(left), SizeIs(1));
  EXPECT_EQ(Leases(left)[0].record->id, low);
  EXPECT_EQ(Leases(left)[0].item, item);
  EXPECT_THAT(Leases(left)[0].hints, ElementsAre(1, 1));
  EXPECT_EQ(Has(high), 1u);
}

TEST_F(SchedulerControlTest, WorkersAreGivenBackWhenTheJobNeedsFewer) {
  ServerUp();
  const JobId low = Begin("low", 0);
  WorkersUp(4);
  const JobId high = Begin("high", 10);
  EXPECT_EQ(Has(low), 1u);  // Its minimum.
  EXPECT_EQ(Has(high), 3u);
  Applied(high, {0, 0}, 2);
  Applied(high, {0, 1}, 2);
  EXPECT_EQ(Has(low), 2u);
  EXPECT_EQ(Has(high), 2u);
  EXPECT_TRUE(
      Operate([&](auto* out) { return core_->Cancel(high, now_, out); }).ok());
  EXPECT_EQ(Has(low), 4u);
  EXPECT_EQ(Has(high), 0u);
}

TEST_F(SchedulerControlTest, EqualPrioritiesShareEvenly) {
  ServerUp();
  const JobId first = Begin("first", 3);
  WorkersUp(4);
  const JobId second = Begin("second", 3);
  EXPECT_EQ(Has(first), 2u);
  EXPECT_EQ(Has(second), 2u);
}

TEST_F(SchedulerControlTest, AJobThatCannotBeginTakesNobody) {
  ServerUp();
  const JobId low = Begin("low", 0);
  WorkersUp(3);
  const JobId high = Begin("high", 10, 4);
  EXPECT_EQ(Has(low), 3u);
  EXPECT_THAT(Lost(), IsEmpty());
  WorkerUp(Link(3), Worker(3));
  EXPECT_EQ(Has(high), 4u);
  EXPECT_EQ(Has(low), 0u);  // Below its minimum only for another's.
}

TEST_F(SchedulerControlTest, AWorkerThatMayNotIsNotTaken) {
  ServerUp();
  const JobId low = Begin("low", 0);
  RegisterWorker choosy{Worker(0), "w"};
  choosy.only_job = low;
  FromWorker(Link(0), choosy);
  FromWorker(Link(0), LeaseRequest{Worker(0), 1});
  WorkerUp(Link(1), Worker(1));
  const JobId high = Begin("high", 10);
  EXPECT_THAT(core_->allotment().Of(low), ElementsAre(Worker(0)));
  EXPECT_THAT(core_->allotment().Of(high), ElementsAre(Worker(1)));
}

// It stands still, but its connection does not break.
TEST_F(SchedulerControlTest, ASilentWorkerKeepsNobodyOut) {
  ServerUp();
  const JobId id = Begin("narrow", 0, 1, 1);
  WorkersUp(2);
  EXPECT_THAT(Job(id).leases().HeldBy(Worker(0)), SizeIs(1));
  EXPECT_THAT(Job(id).leases().HeldBy(Worker(1)), IsEmpty());
  Tick(absl::Seconds(4));
  EXPECT_THAT(Job(id).leases().HeldBy(Worker(1)), SizeIs(1));
  // It wakes, and waits for its turn.
  FromWorker(Link(0),
             Progress{Worker(0), id, Job(id).state().generation, {0, 0}, 1});
  EXPECT_THAT(Lost(), SizeIs(1));
  WorkerGone(Link(1));
  FromWorker(Link(0), LeaseRequest{Worker(0), 1});
  EXPECT_THAT(Job(id).leases().HeldBy(Worker(0)), SizeIs(1));
}

TEST_F(SchedulerControlTest, AWorkerKeepsItsJobOverASchedulerRestart) {
  ServerUp();
  const JobId id = Begin("narrow", 0, 1, 1);
  WorkersUp(2);
  const JobRegistration known = Registration(0, 0);
  const Generation generation = Job(id).state().generation;
  Restart(std::map(stored_));
  // The other is there first.
  WorkerUp(Link(1), Worker(1));
  RegisterWorker again{Worker(0), "w"};
  again.held = {{id, generation, {0, 0}}};
  FromWorker(Link(0), again);
  ServerUp({known});
  Register();
  EXPECT_THAT(core_->allotment().Of(id), ElementsAre(Worker(0)));
  EXPECT_THAT(Job(id).leases().HeldBy(Worker(0)), SizeIs(1));
}

// --- Pause -------------------------------------------------------------------

TEST_F(SchedulerControlTest, APausedJobLetsGoOfItsWorkers) {
  ServerUp();
  const JobId id = Begin("test", 0);
  WorkersUp(2);
  ASSERT_TRUE(Pause(id).ok());
  EXPECT_THAT(Lost(), SizeIs(2));
  EXPECT_EQ(Has(id), 0u);
  EXPECT_EQ(Job(id).state().phase, JobPhase::kPaused);
  // What is applied becomes durable.
  ASSERT_THAT(to_server_, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<CheckpointNow>(to_server_[0]));
  FromWorker(Link(0), LeaseRequest{Worker(0), 1});
  EXPECT_THAT(Leases(Link(0)), IsEmpty());
  EXPECT_TRUE(Pause(id).ok());  // Again.
  EXPECT_THAT(to_server_, IsEmpty());

  ASSERT_TRUE(EndPause(id).ok());
  EXPECT_THAT(Leases(Link(0)), SizeIs(1));
  EXPECT_TRUE(EndPause(id).ok());
}

TEST_F(SchedulerControlTest, APauseOutlivesTheScheduler) {
  ServerUp();
  const JobId id = Begin("test", 0);
  ASSERT_TRUE(Pause(id).ok());
  const JobRegistration known = Registration(0, 0);
  Restart(std::map(stored_));
  ServerUp({known});
  Register();
  WorkersUp(2);  // Nor does a worker that comes end it.
  EXPECT_EQ(Has(id), 0u);
  EXPECT_THAT(Leases(Link(1)), IsEmpty());
  ASSERT_TRUE(EndPause(id).ok());
  EXPECT_THAT(Leases(Link(0)), SizeIs(1));
}

TEST_F(SchedulerControlTest, WhatIsFullWhilePausedIsCompleteAfterwards) {
  ServerUp();
  const JobId id = Begin("test", 0);
  ASSERT_TRUE(Pause(id).ok());
  Register(4, 4);
  EXPECT_EQ(Job(id).state().phase, JobPhase::kPaused);
  ASSERT_TRUE(EndPause(id).ok());
  EXPECT_EQ(Job(id).state().phase, JobPhase::kCompleted);
  EXPECT_EQ(Pause(id).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SchedulerControlTest, AnOperatorsPauseAndAQuarantineEndEachForItself) {
  ServerUp();
  const JobId id = Begin("test", 0);
  WorkersUp(1);
  ItemEnd end{Worker(0), id, Job(id).state().generation, {0, 0}};
  end.end = LeaseEnd::kFailed;
  end.failed_end = 1;
  end.non_finite = true;
  end.error = "NaN";
  FromWorker(Link(0), end);
  ASSERT_EQ(Job(id).state().phase, JobPhase::kPaused);
  ASSERT_TRUE(Pause(id).ok());
  EXPECT_THAT(Job(id).state().reason, HasSubstr("NaN"));
  ASSERT_TRUE(EndPause(id).ok());
  EXPECT_EQ(Job(id).state().phase, JobPhase::kPaused);
  ASSERT_TRUE(Pause(id).ok());
  ASSERT_TRUE(Operate([&](auto* out) {
                return core_->Resolve(id, {0, 0}, false, now_, out);
              }).ok());
  EXPECT_EQ(Job(id).state().phase, JobPhase::kPaused);
  ASSERT_TRUE(EndPause(id).ok());
  EXPECT_EQ(Job(id).state().phase, JobPhase::kRunning);
}

// --- Scale -------------------------------------------------------------------

TEST_F(SchedulerControlTest, FewerWorkersLetGoAtOnceAndMoreJoinAtOnce) {
  ServerUp();
  const JobId id = Begin("test", 0, 1, 4);
  WorkersUp(4);
  ASSERT_TRUE(Scale(id, 1).ok());
  EXPECT_THAT(Lost(), SizeIs(3));
  EXPECT_EQ(Has(id), 1u);
  EXPECT_THAT(log_, ElementsAre(HasSubstr("job=test takes 1 worker at most "
                                          "instead of 4 workers at most: an "
                                          "operator")));
  for (int i = 0; i < 4; ++i) FromWorker(Link(i), LeaseRequest{Worker(i), 1});
  ASSERT_TRUE(Scale(id, 0).ok());
  EXPECT_EQ(Has(id), 4u);
  EXPECT_EQ(Job(id).parts().demand.max_workers(), 0);
}

// Bug: it was no event.
TEST_F(SchedulerControlTest, AnotherNumberOfServersIsToldOnce) {
  ServerUp();
  const JobId id = Begin("test", 0, 1, 4);
  const auto servers = [&](int32_t most) {
    return Operate([&](auto* out) {
      return core_->ScaleJob(id, {.servers = most}, now_, out);
    });
  };
  ASSERT_TRUE(servers(1).ok());
  EXPECT_THAT(log_, ::testing::Contains(HasSubstr(
                        "job=test lies on 1 server at most instead of all "
                        "servers: an operator said so (ebb scale)")));
  ASSERT_TRUE(servers(1).ok());
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(SchedulerControlTest, WorkersWithoutAnItemAreLetGoFirst) {
  ServerUp();
  const JobId id = Begin("test", 0, 1, 3);
  WorkersUp(3);
  ItemEnd end{Worker(1), id, Job(id).state().generation, {0, 1}};
  end.end = LeaseEnd::kReturned;
  FromWorker(Link(1), end);
  ASSERT_TRUE(Scale(id, 2).ok());
  EXPECT_THAT(Lost(), IsEmpty());
  EXPECT_THAT(core_->allotment().Of(id), ElementsAre(Worker(0), Worker(2)));
}

TEST_F(SchedulerControlTest, TheScaleIsDurableAndBeatsTheFile) {
  ServerUp();
  const JobId id = Begin("test", 0, 1, 4);
  ASSERT_TRUE(Scale(id, 2).ok());
  const JobRegistration known = Registration(0, 0);
  Restart(std::map(stored_));
  EXPECT_EQ(Job(id).parts().demand.max_workers(), 2);
  ServerUp({known});
  Register();
  WorkersUp(4);
  EXPECT_EQ(Has(id), 2u);
}

TEST_F(SchedulerControlTest, NoScaleIsBelowTheMinimum) {
  ServerUp();
  const JobId id = Begin("test", 0, 3, 4);
  const absl::Status refused = Scale(id, 2);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(),
              HasSubstr("cannot take 2 workers at most: it takes 3 at least"));
  EXPECT_EQ(Scale(id, -1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Job(id).parts().demand.max_workers(), 4);
  EXPECT_TRUE(Scale(id, 3).ok());
  EXPECT_EQ(Operate([&](auto* out) {
              return core_->ScaleJob(JobId(9), {.workers = 3}, now_, out);
            }).code(),
            absl::StatusCode::kNotFound);
}

// --- Rollback ----------------------------------------------------------------

class SchedulerRollbackTest : public SchedulerControlTest {
 protected:
  absl::Status RollBack(JobId id, RollbackOrder order) {
    order.generation = Job(id).state().generation;
    return RollBackWith(id, order);
  }
  absl::Status RollBackWith(JobId id, const RollbackOrder& order) {
    return Operate(
        [&](auto* out) { return core_->Rollback(id, order, now_, out); });
  }
  VersionKey Version(JobId id, int32_t partition, int64_t sequence) const {
    return {id, Job(id).state().generation, PartitionId(partition), Term(5),
            sequence};
  }
};

TEST_F(SchedulerRollbackTest, NamesTheVersionsInANewGeneration) {
  ServerUp();
  const JobId id = Begin("test", 0);
  WorkersUp(1);
  Applied(id, {0, 0}, 2);
  const Generation before = Job(id).state().generation;
  const VersionKey named = Version(id, 1, 3);
  ASSERT_TRUE(RollBack(id, {.record = {{named}}, .what = "to noon"}).ok());
  EXPECT_GT(Job(id).state().generation, before);
  EXPECT_EQ(Job(id).state().rolled_back,
            "to noon: an operator said so (ebb checkpoint rollback)");
  EXPECT_THAT(Lost(), SizeIs(1));
  const std::vector<Grant> grants = Grants();
  ASSERT_THAT(grants, SizeIs(1));
  EXPECT_EQ(grants[0].generation, Job(id).state().generation);
  EXPECT_THAT(grants[0].rollback.versions, ElementsAre(named));
  EXPECT_EQ(*grants[0].rollback.Find(PartitionId(1)), named);
  // It is durable before any server hears of it; see Do(). Then the marks are
  // what the servers say.
  Restart(std::map(stored_));
  EXPECT_THAT(Job(id).state().rollback.versions, ElementsAre(named));
}

TEST_F(SchedulerRollbackTest, TheRateFactorStaysUntilAnotherIsNamed) {
  ServerUp();
  const JobId id = Begin("test", 0);
  EXPECT_EQ(Job(id).state().rollback.rate_factor, 1);
  for (const double bad : {0.0, -1.0, 1e-10, 1e10, std::nan("")}) {
    EXPECT_EQ(RollBack(id, {.rate_factor = bad}).code(),
              absl::StatusCode::kInvalidArgument);
  }
  ASSERT_TRUE(RollBack(id, {.rate_factor = 0.25}).ok());
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_EQ(Grants()[0].rollback.rate_factor, 0.25);
  Register();
  WorkersUp(1);
  ASSERT_THAT(Leases(Link(0)), SizeIs(1));
  EXPECT_EQ(Leases(Link(0))[0].rate_factor, 0.25);
  ASSERT_TRUE(RollBack(id, {}).ok());
  EXPECT_EQ(Grants()[0].rollback.rate_factor, 0.25);
  Restart(std::map(stored_));
  EXPECT_EQ(Job(id).state().rollback.rate_factor, 0.25);
  JobRegistration known = Registration(0, 0);
  known.rollback = Job(id).state().rollback;
  ServerUp({known});
  Register();
  ASSERT_TRUE(RollBack(id, {.rate_factor = 1}).ok());
  EXPECT_EQ(Grants()[0].rollback.rate_factor, 1);
}

// Bug: a worker that had no lease in the new generation held the others up.
TEST_F(SchedulerRollbackTest, NobodyIsInTheViewWithoutALease) {
  ServerUp();
  JobRecord record = Record();
  record.plan.consistency.kind = ConsistencyKind::kSsp;
  record.plan.quarantine_after = 100;
  Submit(record);
  Register();
  WorkersUp(2);
  AsksToJoin(Link(0), Worker(0), {0, 0});
  AsksToJoin(Link(1), Worker(1), {0, 1});
  ASSERT_TRUE(job().parts().view.view().Contains(Worker(1)));
  ASSERT_TRUE(RollBack(job_, {}).ok());
  EXPECT_FALSE(job().parts().view.view().Contains(Worker(0)));
  EXPECT_FALSE(job().parts().view.view().Contains(Worker(1)));
  // The servers hear of it after they heard of the generation.
  ASSERT_THAT(to_server_, SizeIs(2));
  EXPECT_TRUE(std::holds_alternative<Grant>(to_server_[0]));
  const auto* view = std::get_if<ViewUpdate>(&to_server_[1]);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->generation, job().state().generation);
  EXPECT_THAT(view->members, IsEmpty());
}

TEST_F(SchedulerRollbackTest, ACompleteJobOpensAgain) {
  ServerUp();
  const JobId id = Begin("test", 0);
  Register(4, 4);
  ASSERT_EQ(Job(id).state().phase, JobPhase::kCompleted);
  ASSERT_TRUE(RollBack(id, {}).ok());
  EXPECT_EQ(Job(id).state().phase, JobPhase::kRunning);
  WorkersUp(1);
  EXPECT_THAT(Leases(Link(0)), IsEmpty());
  Register(1, 1);
  ASSERT_THAT(Leases(Link(0)), SizeIs(1));
  EXPECT_EQ(Leases(Link(0))[0].item, (ItemId{0, 1}));
}

// Bug: it said that storage was damaged.
TEST_F(SchedulerRollbackTest, AnOlderStoreThatKnowsItCompleteIsNoDamage) {
  ServerUp();
  const JobId id = Begin("test", 0);
  Register(4, 4);
  ASSERT_EQ(Job(id).state().phase, JobPhase::kCompleted);
  const auto older = stored_;
  ASSERT_TRUE(RollBack(id, {}).ok());
  Register(1, 1);
  const JobRegistration known = Registration(1, 1);
  Restart(older);
  ServerUp({known});
  EXPECT_EQ(Job(id).state().phase, JobPhase::kRunning);
  for (const std::string& line : log_) {
    EXPECT_THAT(line, ::testing::Not(HasSubstr("damaged")));
  }
  Register(4, 4);
  EXPECT_EQ(Job(id).state().phase, JobPhase::kCompleted);
}

TEST_F(SchedulerRollbackTest, APauseOutlivesIt) {
  ServerUp();
  const JobId id = Begin("test", 0);
  ASSERT_TRUE(Pause(id).ok());
  ASSERT_TRUE(RollBack(id, {}).ok());
  Register();
  EXPECT_EQ(Job(id).state().phase, JobPhase::kPaused);
}

TEST_F(SchedulerRollbackTest, RefusesWhatIsNotOfTheLine) {
  ServerUp();
  const JobId id = Begin("test", 0);
  VersionKey dead = Version(id, 0, 1);
  dead.generation = Generation(Job(id).state().generation.value() - 1);
  VersionKey other = Version(id, 0, 1);
  other.job = JobId(1);
  const VersionKey good = Version(id, 0, 1);
  for (const RollbackRecord& record :
       {RollbackRecord{{dead}}, RollbackRecord{{other}},
        RollbackRecord{{good, good}}, RollbackRecord{{Version(id, 2, 1)}}}) {
    const absl::Status refused = RollBack(id, {.record = record});
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(refused.message(), HasSubstr("not of the job's line"));
  }
  EXPECT_THAT(Grants(), IsEmpty());
}

TEST_F(SchedulerRollbackTest, ASecondTryDoesNotRollBackAgain) {
  ServerUp();
  const JobId id = Begin("test", 0);
  const RollbackOrder order{Job(id).state().generation};
  ASSERT_TRUE(RollBackWith(id, order).ok());
  Register();
  const Generation rolled = Job(id).state().generation;
  EXPECT_EQ(RollBackWith(id, order).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Job(id).state().generation, rolled);
}

TEST_F(SchedulerRollbackTest, WaitsForEveryServer) {
  ServerUp();
  const JobId id = Begin("test", 0);
  ServerGone();
  const absl::Status refused = RollBack(id, {});
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(refused.message(), HasSubstr("only 0 of 2 partitions"));
}

}  // namespace
}  // namespace ebb::scheduler

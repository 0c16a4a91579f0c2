// Workers that do not reach a server: who keeps its leases, and who is to
// blame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SchedulerReachTest : public SchedulerFixture {
 protected:
  // Two workers, each with an item.
  void Begin() {
    Ready();
    WorkerUp(kWorkerLink, kWorker);
    WorkerUp(kOtherLink, kOther);
    ASSERT_EQ(job().leases().CountHeldBy(kWorker), 1);
    ASSERT_EQ(job().leases().CountHeldBy(kOther), 1);
  }
  PlacementRequest Unreached(SessionId worker) const {
    PlacementRequest message{worker, job_, {}, false};
    message.unreached.push_back({kServer,
                                 kServerSession,
                                 "ps-0:7001",
                                 absl::Seconds(2),
                                 9,
                                 {CallCause::kName, "ps-0 does not resolve"}});
    return message;
  }
  void Alive() { FromServer(ServerAlive{kServerSession}, kServerSession); }
  void Renew(LinkId link, SessionId session, ItemId item) {
    FromWorker(link, Progress{session, job_, job().state().generation, item, 0,
                              0, 0, false, false, 0});
  }
  const WorkerInfo& worker() const {
    return core_->cluster().workers.at(kWorker);
  }
};

TEST_F(SchedulerReachTest, ItsItemsGoToOthersWhileTheServerIsThere) {
  Begin();
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  now_ += absl::Milliseconds(10);
  FromWorker(kWorkerLink, Unreached(kWorker));
  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 1)
      << "the server may be away itself";
  now_ += absl::Milliseconds(10);

  Alive();

  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 0);
  EXPECT_TRUE(std::holds_alternative<LeaseLost>(to_worker_[0].second));
  EXPECT_EQ(worker().job, JobId());
  EXPECT_THAT(log_, Contains(HasSubstr("ps-0 does not resolve")));
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 2});
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
  FromWorker(kOtherLink, LeaseRequest{kOther, 3});
  EXPECT_EQ(job().leases().CountHeldBy(kOther), 4);
}

TEST_F(SchedulerReachTest, ItGetsWorkAgainWhenItReachesTheServer) {
  Begin();
  FromWorker(kWorkerLink, Unreached(kWorker));
  now_ += absl::Milliseconds(10);
  Alive();
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  ASSERT_THAT(Leases(kWorkerLink), IsEmpty());

  FromWorker(kWorkerLink, PlacementRequest{kWorker, job_, {}, false});

  EXPECT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_TRUE(worker().cut_off.empty());
}

TEST_F(SchedulerReachTest, AnotherLifeOfTheServerMayBeReached) {
  Begin();
  FromWorker(kWorkerLink, Unreached(kWorker));
  now_ += absl::Milliseconds(10);
  Alive();
  ASSERT_FALSE(worker().cut_off.empty());
  ServerGone();
  EXPECT_TRUE(worker().cut_off.empty());
}

// While a server is away nobody leaves for not reaching it.
TEST_F(SchedulerReachTest, AServerThatIsAwayTakesNobodysLeases) {
  Begin();
  now_ += absl::Seconds(1);
  FromWorker(kWorkerLink, Unreached(kWorker));
  ServerGone();
  Tick(absl::Seconds(10));
  FromWorker(kWorkerLink, Unreached(kWorker));
  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 1);
  EXPECT_TRUE(worker().cut_off.empty());
}

// Bug: an item was quarantined because its workers did not reach a server, with
// the words that it hangs there.
TEST_F(SchedulerReachTest, NoBatchIsToBlame) {
  Begin();
  FromWorker(kWorkerLink, Unreached(kWorker));
  for (int i = 0; i < 5; ++i) {
    FromWorker(kWorkerLink, Unreached(kWorker));
    Tick(absl::Seconds(4));  // Its lease runs out; the server stands still.
  }
  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 0);
  EXPECT_FALSE(worker().silent);
  EXPECT_EQ(job().parts().failures.poison().FailuresOf(0), 0);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
}

TEST_F(SchedulerReachTest, WhoComputesOnKeepsItsLeasesForAWhile) {
  Begin();
  PlacementRequest message = Unreached(kWorker);
  message.goes_on = true;
  FromWorker(kWorkerLink, message);
  now_ += absl::Milliseconds(10);
  Alive();
  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 1);
  // Bug: with every new lease it could compute on, for ever, and in vain.
  now_ += SchedulerOptions().lease_ttl;
  FromWorker(kWorkerLink, message);
  Alive();
  EXPECT_EQ(job().leases().CountHeldBy(kWorker), 0);
}

TEST_F(SchedulerReachTest, AWorkerThatRegistersAnewIsBelieved) {
  Begin();
  FromWorker(kWorkerLink, Unreached(kWorker));
  now_ += absl::Milliseconds(10);
  Alive();
  WorkerUp(kWorkerLink, kWorker);
  EXPECT_THAT(Leases(kWorkerLink), SizeIs(1));
}

TEST_F(SchedulerReachTest, ItLeavesTheView) {
  JobRecord record = Record();
  record.plan.consistency = {.kind = ConsistencyKind::kSsp, .clock_bound = 1};
  ServerUp();
  Submit(record);
  Register();
  WorkerUp(kWorkerLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  AsksToJoin(kWorkerLink, kWorker, {0, 0});
  AsksToJoin(kOtherLink, kOther, {0, 1});
  ASSERT_TRUE(job().parts().view.view().Contains(kWorker));

  FromWorker(kWorkerLink, Unreached(kWorker));
  now_ += absl::Milliseconds(10);
  Alive();

  EXPECT_FALSE(job().parts().view.view().Contains(kWorker))
      << "it would hold up the other";
  EXPECT_TRUE(job().parts().view.view().Contains(kOther));
}

}  // namespace
}  // namespace ebb::scheduler

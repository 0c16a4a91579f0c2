// Explanations of workers that do not reach a server.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scheduler/answers/explain.h"
#include "scheduler/answers/explain_fixture.h"
#include "scheduler/answers/status.h"

namespace ebb::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Reason = v1::WaitReason;

class ExplainReachTest : public ExplainFixture {
 protected:
  void TwoWorkers() {
    Ready();
    WorkerUp(kFirstLink, kFirst, "a");
    WorkerUp(kSecondLink, kSecond, "b");
  }
  SchedulerShell::Picture Picture() const { return {*core_, watch_, now_, ""}; }
  v1::WorkerStatus First() const {
    return StatusOf(Picture(), core_->cluster().workers.at(kFirst));
  }
};

// Bug: "It advances; nobody waits", though one of two workers did nothing.
TEST_F(ExplainReachTest, OneOfTwoDoesNotReachTheServer) {
  TwoWorkers();
  DoesNotReach(kFirstLink, kFirst);
  ServerSpeaks();
  const std::string text = Only(Reason::KIND_UNREACHED);
  EXPECT_THAT(
      text,
      AllOf(StartsWith("worker a cannot reach ps 0 at ps-0:7001: ps-0 does not "
                       "resolve; others get the work meanwhile. What to do: "),
            HasSubstr("--advertise")));
  EXPECT_GE(Explain()[0].for_ms(), 2000);
  EXPECT_EQ(Explain()[0].subject(), "worker a");
}

// Bug: "Not advancing for 1 min 40 s", and no reason.
TEST_F(ExplainReachTest, NoWorkerReachesTheServer) {
  TwoWorkers();
  DoesNotReach(kFirstLink, kFirst);
  DoesNotReach(kSecondLink, kSecond);
  ServerSpeaks();
  EXPECT_THAT(Only(Reason::KIND_UNREACHED),
              StartsWith("worker a, worker b cannot reach ps 0 at ps-0:7001: "
                         "ps-0 does not resolve; no other worker reaches it"));
}

// Bug: neither was told, though the worker was answered "wrong placement" for
// ever.
TEST_F(ExplainReachTest, AnotherServerThatAnswersIsNamed) {
  TwoWorkers();
  DoesNotReach(kFirstLink, kFirst, /*goes_on=*/false,
               {CallCause::kWrongServer,
                "another server answers at ps-0:7001: it says that it is "
                "server 7"});
  ServerSpeaks();
  EXPECT_THAT(
      Only(Reason::KIND_UNREACHED),
      AllOf(StartsWith("worker a cannot reach ps 0 at ps-0:7001: another "
                       "server answers at ps-0:7001: it says that it is server "
                       "7; others get the work meanwhile. What to do: "),
            HasSubstr("start the server with an --advertise of its own")));
  EXPECT_EQ(First().state(), v1::WorkerStatus::STATE_CUT_OFF);
  ASSERT_THAT(First().unreached(), SizeIs(1));
  EXPECT_EQ(First().unreached(0).trouble().cause(),
            v1::PeerTrouble::CAUSE_WRONG_SERVER);
}

TEST_F(ExplainReachTest, AServerThatStandsStillIsNamed) {
  TwoWorkers();
  Wait(absl::Seconds(10));
  DoesNotReach(kFirstLink, kFirst);
  const std::vector<Reason> reasons = Explain();
  ASSERT_FALSE(reasons.empty());
  EXPECT_EQ(reasons[0].kind(), Reason::KIND_SERVER_AWAY);
  EXPECT_THAT(reasons[0].text(),
              HasSubstr("ps 0 is connected and has said nothing for 10.0 s: "
                        "its process stands still"));
  for (const Reason& reason : reasons) {
    EXPECT_THAT(reason.text(), Not(HasSubstr("--advertise")));
  }
}

TEST_F(ExplainReachTest, OfAServerThatIsAwayOnlyThatIsSaid) {
  TwoWorkers();
  DoesNotReach(kFirstLink, kFirst);
  SchedulerActions actions;
  core_->OnServerDisconnected(kServerLink, now_, &actions);
  Only(Reason::KIND_SERVER_AWAY);
}

TEST_F(ExplainReachTest, WhoComputesOnIsToldToDoSo) {
  TwoWorkers();
  DoesNotReach(kFirstLink, kFirst, /*goes_on=*/true);
  ServerSpeaks();
  EXPECT_THAT(Only(Reason::KIND_UNREACHED),
              HasSubstr("it goes on without it for a while"));
}

TEST_F(ExplainReachTest, ItIsOverWhenTheServerIsReached) {
  TwoWorkers();
  DoesNotReach(kFirstLink, kFirst);
  ServerSpeaks();
  FromWorker(kFirstLink, PlacementRequest{kFirst, job_, {}, false});
  EXPECT_THAT(Explain(), IsEmpty());
  EXPECT_THAT(First().unreached(), IsEmpty());
}

TEST_F(ExplainReachTest, StatusShowsItAtBothEnds) {
  TwoWorkers();
  DoesNotReach(kFirstLink, kFirst);
  EXPECT_EQ(First().state(), v1::WorkerStatus::STATE_WORKING);
  ServerSpeaks();
  EXPECT_EQ(First().state(), v1::WorkerStatus::STATE_CUT_OFF);
  ASSERT_THAT(First().unreached(), SizeIs(1));
  EXPECT_EQ(First().unreached(0).trouble().text(), "ps-0 does not resolve");
  EXPECT_EQ(First().unreached(0).trouble().cause(),
            v1::PeerTrouble::CAUSE_NAME);
  EXPECT_GE(First().unreached(0).trouble().lasts_ms(), 2000);
  const v1::ServerStatus server =
      StatusOf(Picture(), core_->cluster().servers.at(ServerId(0)));
  ASSERT_THAT(server.unreached_by(), SizeIs(1));
  EXPECT_EQ(server.unreached_by(0).who(), "a");
  EXPECT_EQ(server.unreached_by(0).trouble().address(), "ps-0:7001");
}

}  // namespace
}  // namespace ebb::scheduler

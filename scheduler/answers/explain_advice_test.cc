// Every reason that a job waits for says what to do.
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scheduler/answers/explain.h"
#include "scheduler/answers/explain_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::HasSubstr;
using Reason = v1::WaitReason;

// A cluster in which a job waits for one thing.
class Waiting : public ExplainFixture {
 public:
  using Make = void (Waiting::*)();

  std::vector<Reason> After(Make make) {
    (this->*make)();
    return Explain();
  }

  void AtSsp() { FirstIsParkedBySsp(); }
  void AtARound() { FirstHoldsARound(); }
  void AtALease() {
    OneWorker();
    Say(kFirstLink, kFirst, {0, 0}, 0, false);
    Wait(absl::Seconds(2));
  }
  void ForAServer() {
    Ready();
    SchedulerActions actions;
    core_->OnServerDisconnected(kServerLink, now_, &actions);
  }
  void AtAQuarantine() {
    OneWorker();
    Fails(1, 2);
  }
  void AtAFullDisk() { HasProblem(ServerProblem::kDisk); }
  void ForWorkers() { Ready(); }
  void ForRoom() { HasProblem(ServerProblem::kMemory); }
  void WithAnotherProblem() { HasProblem(ServerProblem::kOther); }
  void ForServers() {
    Restart({.takeover_after = absl::ZeroDuration(), .min_servers = 2});
    ServerUp();
    SchedulerActions actions;
    core_->OnTick(now_, &actions);
    Submit();
  }
  void AtItsStart() {
    Restart({});
    Submit();
  }
  void ForVersions() {
    ServerUp();
    Submit();
    Register(4);
    WorkerUp(kFirstLink, kFirst, "a");
  }
  void AtAnEvaluation() {
    record_.plan.evaluate_every = 1;
    ServerUp();
    Submit();
    Register(4, true);
    WorkerUp(kFirstLink, kFirst, "a");
  }
  void AtWorkOfBefore() {
    OneWorker();
    Register(3, true);
    SchedulerActions actions;
    core_->OnServerDisconnected(kServerLink, now_, &actions);
    ServerUp();
    Register(0);
  }
  void AtARefusal() { CannotBegin(/*over_limit=*/false); }
  void AtALimit() { CannotBegin(/*over_limit=*/true); }
  void AtACutPath() {
    OneWorker();
    DoesNotReach(kFirstLink, kFirst);
    ServerSpeaks();
  }
  void ForUnknown() {
    OneWorker();
    FromWorker(kFirstLink, LeaseRequest{kFirst, 0});
    GiveBack(kFirstLink, kFirst);
    WorkerUp(kSecondLink, kSecond, "b");
    GiveBack(kSecondLink, kSecond);
    Wait(absl::Seconds(2));
  }

 private:
  void TestBody() override {}
  void OneWorker() {
    Ready();
    WorkerUp(kFirstLink, kFirst, "a");
  }
  // The first item.
  void GiveBack(LinkId link, SessionId session) {
    ItemEnd end{session, job_, job().state().generation, {0, 0}};
    end.end = LeaseEnd::kReturned;
    FromWorker(link, end);
  }
  void HasProblem(ServerProblem kind) {
    OneWorker();
    ServerStatistics statistics = Statistics();
    statistics.problem = "something is wrong";
    statistics.problem_kind = kind;
    FromServer(statistics);
  }
  void CannotBegin(bool over_limit) {
    OneWorker();
    WorkerUp(kSecondLink, kSecond, "b");
    ItemEnd end{kFirst, job_, job().state().generation, {0, 0}};
    end.end = LeaseEnd::kFailed;
    end.error = "no such file";
    end.over_limit = over_limit;
    FromWorker(kFirstLink, end);
  }
};

const std::map<Reason::Kind, Waiting::Make>& Makers() {
  static const auto& makers = *new std::map<Reason::Kind, Waiting::Make>{
      {Reason::KIND_UNSPECIFIED, &Waiting::WithAnotherProblem},
      {Reason::KIND_PARKED_BY_SSP, &Waiting::AtSsp},
      {Reason::KIND_ROUND_OPEN, &Waiting::AtARound},
      {Reason::KIND_LEASE_HELD, &Waiting::AtALease},
      {Reason::KIND_SERVER_AWAY, &Waiting::ForAServer},
      {Reason::KIND_QUARANTINED, &Waiting::AtAQuarantine},
      {Reason::KIND_PAUSED, &Waiting::AtAQuarantine},
      {Reason::KIND_DISK_FULL, &Waiting::AtAFullDisk},
      {Reason::KIND_NO_WORKERS, &Waiting::ForWorkers},
      {Reason::KIND_BACK_PRESSURE, &Waiting::ForRoom},
      {Reason::KIND_NO_SERVERS, &Waiting::ForServers},
      {Reason::KIND_STARTING, &Waiting::AtItsStart},
      {Reason::KIND_NOT_DURABLE, &Waiting::ForVersions},
      {Reason::KIND_EVALUATION, &Waiting::AtAnEvaluation},
      {Reason::KIND_REDONE, &Waiting::AtWorkOfBefore},
      {Reason::KIND_WORKER_REFUSES, &Waiting::AtARefusal},
      {Reason::KIND_MESSAGE_LIMIT, &Waiting::AtALimit},
      {Reason::KIND_UNREACHED, &Waiting::AtACutPath},
      {Reason::KIND_UNKNOWN, &Waiting::ForUnknown},
  };
  return makers;
}

// Bug: parked_by_ssp, round_open, not_durable, redone, lease_held and
// back_pressure said what a job waits for, and not what to do.
TEST(ExplainAdviceTest, EveryKindOfReasonSaysWhatToDo) {
  const auto* kinds = Reason::Kind_descriptor();
  for (int i = 0; i < kinds->value_count(); ++i) {
    const auto kind = static_cast<Reason::Kind>(kinds->value(i)->number());
    const std::string& name = kinds->value(i)->name();
    SCOPED_TRACE(name);
    const auto maker = Makers().find(kind);
    ASSERT_NE(maker, Makers().end()) << "write a cluster that waits so";
    bool found = false;
    for (const Reason& reason : Waiting().After(maker->second)) {
      found = found || reason.kind() == kind;
      const std::string& text = reason.text();
      EXPECT_THAT(text, HasSubstr(". What to do: "));
      EXPECT_EQ(text.find("What to do"), text.rfind("What to do")) << text;
      EXPECT_GT(text.size(), text.find("What to do: ") + 20) << text;
    }
    EXPECT_TRUE(found);
  }
}

}  // namespace
}  // namespace ebb::scheduler

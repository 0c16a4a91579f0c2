#include "scheduler/scheduler_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace ebb::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr LinkId kServerLink(1), kWorkerLink(2), kOtherLink(3);
constexpr SessionId kServerSession(101), kWorker(201), kOther(202);
constexpr ServerId kServer(0);

// One server with both partitions; one epoch of 4 items of 2 examples.
class SchedulerCoreTest : public testing::Test {
 protected:
  SchedulerCoreTest() { Restart({}); }

  static JobRecord Record() {
    JobRecord record;
    record.name = "test";
    record.plan.examples = 8;
    record.plan.shard_size = 2;
    record.plan.partitions = 2;
    record.plan.parameters = 4;
    record.plan.quarantine_after = 2;
    return record;
  }

  void Restart(std::map<std::string, std::string> stored) {
    stored_ = std::move(stored);
    core_ = *SchedulerCore::Create({}, stored_, now_);
  }

  // Carries out what was asked for; keeps what was sent by the last event.
  void Do(SchedulerActions actions) {
    to_server_.clear();
    to_server_links_.clear();
    log_.clear();
    to_worker_.clear();
    bool sent = false;
    for (SchedulerAction& action : actions) {
      if (auto* log = std::get_if<LogEvent>(&action)) {
        log_.push_back(log->text);
      } else if (auto* persist = std::get_if<Persist>(&action)) {
        EXPECT_FALSE(sent) << "something was sent before it was stored";
        for (const StoreWrite& write : persist->writes) {
          if (write.value) {
            stored_[write.key] = *write.value;
          } else {
            stored_.erase(write.key);
          }
        }
      } else if (auto* server = std::get_if<SendServer>(&action)) {
        sent = true;
        to_server_.push_back(server->message);
        to_server_links_.push_back(server->link);
      } else if (auto* worker = std::get_if<SendWorker>(&action)) {
        sent = true;
        to_worker_.emplace_back(worker->link, worker->message);
      }
    }
  }
  void FromServer(ServerToScheduler message, SessionId session) {
    SchedulerActions actions;
    core_->OnServer(kServerLink, message, now_, &actions);
    Do(std::move(actions));
  }
  void FromWorker(LinkId link, WorkerToScheduler message) {
    SchedulerActions actions;
    core_->OnWorker(link, message, now_, &actions);
    Do(std::move(actions));
  }
  void Tick(absl::Duration later) {
    now_ += later;
    SchedulerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  }

  void ServerUp(std::vector<JobRegistration> jobs = {}) {
    RegisterServer message;
    message.server = kServer;
    message.session = kServerSession;
    message.address = "here:1";
    message.jobs = std::move(jobs);
    FromServer(message, kServerSession);
  }
  void ServerGone() {
    SchedulerActions actions;
    core_->OnServerDisconnected(kServerLink, now_, &actions);
    Do(std::move(actions));
  }
  void Submit() {
    SchedulerActions actions;
    job_ = *core_->Submit(Record(), now_, &actions);
    Do(std::move(actions));
  }
  std::vector<Grant> Grants() const {
    std::vector<Grant> grants;
    for (const SchedulerToServer& message : to_server_) {
      if (auto* grant = std::get_if<Grant>(&message)) grants.push_back(*grant);
    }
    return grants;
  }
  std::vector<Lease> Leases(LinkId link) const {
    std::vector<Lease> leases;
    for (const auto& [to, message] : to_worker_) {
      if (to != link) continue;
      if (auto* lease = std::get_if<Lease>(&message)) leases.push_back(*lease);
    }
    return leases;
  }

  const TrainingJob& job() const { return *core_->jobs().at(job_); }
  // What the server would say of its partitions, with `full` items done.
  JobRegistration Registration(int32_t full, int32_t durable) const {
    JobRegistration registration;
    registration.record = job().record();
    registration.generation = job().state().generation;
    const auto encode = [&](int32_t items) {
      MarkSet marks(job().plan());
      for (int32_t i = 0; i < items; ++i) {
        EXPECT_TRUE(marks.Raise({0, i}, 2).ok());
      }
      return marks.Encode();
    };
    for (int32_t p = 0; p < 2; ++p) {
      registration.partitions.push_back(
          {PartitionId(p), job().placement().at(PartitionId(p)).drawn, true,
           encode(full), encode(durable)});
    }
    return registration;
  }
  void Register(int32_t full = 0, int32_t durable = 0) {
    FromServer(RegisterPartitions{kServerSession, Registration(full, durable)},
               kServerSession);
  }
  void WorkerUp(LinkId link, SessionId session) {
    FromWorker(link, RegisterWorker{session, "w"});
    FromWorker(link, LeaseRequest{session, 1});
  }
  void WorkerGone(LinkId link) {
    SchedulerActions actions;
    core_->OnWorkerDisconnected(link, now_, &actions);
    Do(std::move(actions));
  }
  // It holds the first item, and has not what it takes.
  void CannotBegin(LinkId link, SessionId session) {
    ItemEnd end{session, job_, job().state().generation, {0, 0}};
    end.end = LeaseEnd::kFailed;
    end.error = "data.csv is not there";
    FromWorker(link, end);
  }
  void Ready() {
    ServerUp();
    Submit();
    Register();
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::map<std::string, std::string> stored_;
  std::unique_ptr<SchedulerCore> core_;
  JobId job_;
  std::vector<SchedulerToServer> to_server_;
  std::vector<LinkId> to_server_links_;
  std::vector<std::string> log_;
  std::vector<std::pair<LinkId, SchedulerToWorker>> to_worker_;
};

TEST_F(SchedulerCoreTest, GrantsNothingBeforeAServerIsThere) {
  Submit();
  EXPECT_THAT(to_server_, IsEmpty());
  ServerUp();
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_THAT(Grants()[0].partitions, SizeIs(2));
  EXPECT_EQ(Grants()[0].session, kServerSession);
}

TEST_F(SchedulerCoreTest, LeasesOnlyWhenEveryPartitionIsRegistered) {
  ServerUp();
  Submit();
  WorkerUp(kWorkerLink, kWorker);
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
  Register();
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_EQ(Leases(kWorkerLink)[0].item, (ItemId{0, 0}));
}

TEST_F(SchedulerCoreTest, ARegistrationOfAnotherTermIsNotBelieved) {
  ServerUp();
  Submit();
  JobRegistration old = Registration(4, 4);
  for (auto& one : old.partitions) one.term = Term(1);
  FromServer(RegisterPartitions{kServerSession, old}, kServerSession);
  EXPECT_FALSE(job().placement().AllRegistered());
  EXPECT_EQ(job().marks().full_everywhere(), 0);
}

// Bug: the evaluation waited for its whole time-out.
TEST_F(SchedulerCoreTest, ASnapshotLostWithItsServerIsTakenAgainAtOnce) {
  const auto snapshots = [&] {
    return std::count_if(to_server_.begin(), to_server_.end(),
                         [](const auto& message) {
                           return std::holds_alternative<TakeSnapshot>(message);
                         });
  };
  ServerUp();
  JobRecord record = Record();
  record.plan.evaluate_every = 1;
  SchedulerActions actions;
  job_ = *core_->Submit(record, now_, &actions);
  Do(std::move(actions));
  Register(4, 0);
  EXPECT_EQ(snapshots(), 1);
  SchedulerActions lost;
  core_->OnServerDisconnected(kServerLink, now_, &lost);
  Do(std::move(lost));
  ServerUp();
  Register(4, 0);
  EXPECT_EQ(snapshots(), 1);
}

TEST_F(SchedulerCoreTest, AConnectionThatBreaksFreesTheItemAtOnce) {
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
TEST_F(SchedulerCoreTest, AReturnedItemGoesOnWhereItsWorkerStopped) {
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

TEST_F(SchedulerCoreTest, ASilentWorkerLosesItsItemAfterTheLeaseTime) {
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

TEST_F(SchedulerCoreTest, NoLeaseRunsOutWhileAServerIsAway) {
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

TEST_F(SchedulerCoreTest, IsCompleteOnlyWhenEverythingIsDurable) {
  Ready();
  Register(4, 3);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  Register(4, 4);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

TEST_F(SchedulerCoreTest, ACompleteJobReopensWhenAServerComesBackWithLess) {
  Ready();
  Register(4, 4);
  Register(3, 3);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_EQ(Leases(kWorkerLink)[0].item, (ItemId{0, 3}));
}

TEST_F(SchedulerCoreTest, ARestartedServerGetsNewTermsAndTheParent) {
  Ready();
  const Term first = job().placement().at(PartitionId(0)).drawn;
  ServerGone();
  RegisterServer again;
  again.server = kServer;
  again.session = SessionId(102);
  FromServer(again, SessionId(102));
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_EQ(Grants()[0].session, SessionId(102));
  const Grant grant = Grants()[0];
  for (const PartitionGrant& one : grant.partitions) {
    EXPECT_GT(one.term, first);
  }
}

// --- Two processes with one id -----------------------------------------------

constexpr LinkId kTwinLink(4);
constexpr SessionId kTwin(150);

// As SchedulerCoreTest, with a second process that says it is the server.
class SchedulerTwinTest : public SchedulerCoreTest {
 protected:
  // What it is refused with; nullopt: it is not.
  std::optional<RefuseServer> TwinUp() {
    RegisterServer message;
    message.server = kServer;
    message.session = kTwin;
    message.address = "there:2";
    message.process_id = 77;
    SchedulerActions actions;
    core_->OnServer(kTwinLink, message, now_, &actions);
    Do(std::move(actions));
    return Refused(kTwinLink);
  }
  std::optional<RefuseServer> Refused(LinkId link) const {
    for (size_t i = 0; i < to_server_.size(); ++i) {
      const auto* refusal = std::get_if<RefuseServer>(&to_server_[i]);
      if (refusal != nullptr && to_server_links_[i] == link) return *refusal;
    }
    return std::nullopt;
  }
  // It has a process number by which a person finds it.
  void FirstUp() {
    RegisterServer message;
    message.server = kServer;
    message.session = kServerSession;
    message.address = "here:1";
    message.process_id = 55;
    FromServer(message, kServerSession);
  }
};

// Bug: the second took the place of the first, which was not told.
TEST_F(SchedulerTwinTest, ASecondProcessIsRefusedWhileTheFirstIsHeardFrom) {
  FirstUp();
  Submit();
  Register();
  for (int i = 0; i < 4; ++i) {
    now_ += SchedulerOptions().server_ttl / 2;
    FromServer(ServerAlive{kServerSession}, kServerSession);
    const auto refusal = TwinUp();
    ASSERT_TRUE(refusal.has_value());
    EXPECT_FALSE(refusal->displaced);
    EXPECT_THAT(refusal->reason, HasSubstr("server 0 is there already: "
                                           "process 55 at here:1"));
    EXPECT_THAT(log_, SizeIs(i == 0 ? 1 : 0));  // Once is enough.
  }
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kServerSession);
  EXPECT_TRUE(job().placement().AllRegistered());
  // Nothing that it says counts.
  SchedulerActions actions;
  core_->OnServer(kTwinLink, RegisterPartitions{kTwin, Registration(4, 4)},
                  now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(job().marks().full_everywhere(), 0);
}

TEST_F(SchedulerTwinTest, AProcessThatCameBackIsTakenWhenTheBreakIsNoticed) {
  FirstUp();
  ASSERT_TRUE(TwinUp().has_value());
  ServerGone();
  EXPECT_FALSE(TwinUp().has_value());
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kTwin);
}

TEST_F(SchedulerTwinTest, ASilentServerIsDisplacedAndTold) {
  FirstUp();
  Submit();
  Register();
  now_ += SchedulerOptions().server_ttl;
  EXPECT_FALSE(TwinUp().has_value());
  const auto told = Refused(kServerLink);
  ASSERT_TRUE(told.has_value());
  EXPECT_TRUE(told->displaced);
  EXPECT_THAT(told->reason,
              HasSubstr("process 77 at there:2 has taken the place of "
                        "server 0, which said nothing for 5s"));
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kTwin);
  // What the first still says does not count, and its end is nobody's.
  FromServer(RegisterPartitions{kServerSession, Registration(4, 4)},
             kServerSession);
  EXPECT_EQ(job().marks().full_everywhere(), 0);
  ServerGone();
  EXPECT_TRUE(core_->cluster().servers.at(kServer).connected);
}

TEST_F(SchedulerTwinTest, AConnectionMadeAnewIsNoSecondProcess) {
  FirstUp();
  RegisterServer again;
  again.server = kServer;
  again.session = kServerSession;
  SchedulerActions actions;
  core_->OnServer(kTwinLink, again, now_, &actions);
  Do(std::move(actions));
  EXPECT_FALSE(Refused(kTwinLink).has_value());
  EXPECT_FALSE(Refused(kServerLink).has_value());
}

TEST_F(SchedulerTwinTest, TwoWorkersOfOneNameWorkAndAreNamed) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  FromWorker(kOtherLink, RegisterWorker{kOther, "w", 33});
  EXPECT_THAT(log_, ::testing::ElementsAre(HasSubstr("worker=w pid=33 has the "
                                                     "name of one that is "
                                                     "connected")));
  FromWorker(kOtherLink, LeaseRequest{kOther, 1});
  EXPECT_THAT(Leases(kOtherLink), SizeIs(1));
}

// "A new scheduler starts above every term reported" is not enough: a server
// may have died with a higher one (docs/protocol.md).
TEST_F(SchedulerCoreTest, TermsAreNotReusedWhenTheStoreIsLost) {
  Ready();
  const Term drawn = job().placement().at(PartitionId(1)).drawn;
  JobRegistration known = Registration(1, 1);
  for (auto& one : known.partitions) one.term = Term(1);  // An old copy.
  now_ += absl::Milliseconds(1);
  Restart({});
  ServerUp({known});
  ASSERT_THAT(Grants(), SizeIs(1));
  const Grant grant = Grants()[0];
  for (const PartitionGrant& one : grant.partitions) {
    EXPECT_GT(one.term, drawn);
  }
}

TEST_F(SchedulerCoreTest, ARestartedSchedulerGrantsNewTermsWithTheParent) {
  Ready();
  Register(2, 1);
  const JobRegistration known = Registration(2, 1);
  const auto stored = stored_;
  Restart(stored);
  EXPECT_TRUE(core_->gathering());
  ServerUp({known});
  ASSERT_THAT(Grants(), SizeIs(1));
  const PartitionGrant one = Grants()[0].partitions[0];
  EXPECT_EQ(one.parent, known.partitions[0].term);
  EXPECT_GT(one.term, one.parent);
  Register(2, 1);
  EXPECT_EQ(job().marks().full_everywhere(), 2);
}

TEST_F(SchedulerCoreTest, WaitsForEveryServerItKnows) {
  Ready();
  auto stored = stored_;
  stored["server/1"] = "";
  Restart(stored);
  ServerUp();
  EXPECT_TRUE(core_->gathering());
  Tick(SchedulerOptions().takeover_after);
  EXPECT_FALSE(core_->gathering());
}

TEST_F(SchedulerCoreTest, AWorkerKeepsItsItemOverASchedulerRestart) {
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

TEST_F(SchedulerCoreTest, AnItemThatKeepsKillingWorkersIsQuarantined) {
  Ready();
  for (int i = 0; i < 2; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    WorkerGone(kWorkerLink);
  }
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  SchedulerActions actions;
  ASSERT_TRUE(core_->Resume(job_, true, now_, &actions).ok());
  Do(std::move(actions));
  WorkerUp(kWorkerLink, kWorker);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(1));
  EXPECT_THAT(Leases(kWorkerLink)[0].skipped, SizeIs(1));
}

// Spot machines die often, and at any batch.
TEST_F(SchedulerCoreTest, AnItemThatAdvancesBetweenDeathsIsNot) {
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

TEST_F(SchedulerCoreTest, AJobPausesWhenTheLastThatCouldWorkOnItLeaves) {
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

TEST_F(SchedulerCoreTest, AWorkerThatCannotBeginStopsNobodyElse) {
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
TEST_F(SchedulerCoreTest, NothingIsSkippedWhereNoWorkerCouldBegin) {
  Ready();
  WorkerUp(kWorkerLink, kWorker);
  CannotBegin(kWorkerLink, kWorker);
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  SchedulerActions actions;
  const absl::Status skipped =
      core_->Resolve(job_, {0, 0}, true, now_, &actions);
  EXPECT_EQ(skipped.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(skipped.message(), HasSubstr("no failing batch to skip: item "
                                           "(epoch 1, shard 1) is quarantined: "
                                           "no worker can begin it"));
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
  ASSERT_TRUE(core_->Resolve(job_, {0, 0}, false, now_, &actions).ok());
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
}

// Bug: a worker had died on the item before, and resuming skipped that batch.
TEST_F(SchedulerCoreTest, ADeathBeforeIsNoReasonToSkipWhatNobodyCanBegin) {
  Ready();
  WorkerUp(kOtherLink, kOther);
  WorkerGone(kOtherLink);
  WorkerUp(kWorkerLink, kWorker);
  CannotBegin(kWorkerLink, kWorker);
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  EXPECT_FALSE(job().QuarantinedAt(0).has_value());
}

// Bug: each decision was one about all, and the second was refused.
TEST_F(SchedulerCoreTest, EachQuarantinedItemIsDecidedAbout) {
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

// Bug: the job stayed paused until an operator came.
TEST_F(SchedulerCoreTest, TheNextWorkerMakesAJobGoOnThatNobodyCouldBegin) {
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

TEST_F(SchedulerCoreTest, ANewWorkerIsNoReasonToTryAPoisonousBatchAgain) {
  Ready();
  for (int i = 0; i < 2; ++i) {
    WorkerUp(kWorkerLink, kWorker);
    WorkerGone(kWorkerLink);
  }
  ASSERT_EQ(job().state().phase, JobPhase::kPaused);
  WorkerUp(kOtherLink, kOther);
  EXPECT_EQ(job().state().phase, JobPhase::kPaused);
}

TEST_F(SchedulerCoreTest, AJobBeginsWithAsManyWorkersAsItWantsAtLeast) {
  ServerUp();
  JobRecord record = Record();
  record.plan.min_workers = 2;
  SchedulerActions actions;
  job_ = *core_->Submit(record, now_, &actions);
  Do(std::move(actions));
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

TEST_F(SchedulerCoreTest, AWorkerOfOneJobGetsNoItemOfAnother) {
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

TEST_F(SchedulerCoreTest, AWorkerGoesOnWithItsItemWhileServersAreAwaited) {
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

TEST_F(SchedulerCoreTest, ALeaseThatNeverArrivedIsGivenToSomebodyElse) {
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

TEST_F(SchedulerCoreTest, TheLastCheckpointIsAskedForAgainOnANewConnection) {
  const auto asked = [&] {
    return std::count_if(
        to_server_.begin(), to_server_.end(), [](const auto& message) {
          return std::holds_alternative<CheckpointNow>(message);
        });
  };
  Ready();
  Register(4, 0);
  EXPECT_EQ(asked(), 1);
  ServerUp({Registration(4, 0)});
  EXPECT_EQ(asked(), 1);
}

TEST_F(SchedulerCoreTest, AnEvaluationWaitsForAWorkerAsLongAsItTakes) {
  ServerUp();
  JobRecord record = Record();
  record.plan.evaluate_every = 1;
  SchedulerActions actions;
  job_ = *core_->Submit(record, now_, &actions);
  Do(std::move(actions));
  Register(4, 4);
  for (int i = 0; i < 20; ++i) Tick(absl::Seconds(61));
  EXPECT_TRUE(job().evaluating());
  EXPECT_THAT(job().state().evaluations, IsEmpty());
}

TEST_F(SchedulerCoreTest, NoBatchIsSkippedForAWorkerThatCannotBegin) {
  ServerUp();
  JobRecord record = Record();
  record.plan.on_poison = PoisonPolicy::kSkip;
  SchedulerActions actions;
  job_ = *core_->Submit(record, now_, &actions);
  Do(std::move(actions));
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

TEST_F(SchedulerCoreTest, ALateFailureDoesNotPauseWhatWasCancelled) {
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

TEST_F(SchedulerCoreTest, ADeathWhileAServerIsAwayBlamesNoItem) {
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

// --- Rounds ------------------------------------------------------------------

// As SchedulerCoreTest, in rounds of one item.
class SchedulerRoundsTest : public SchedulerCoreTest {
 protected:
  SchedulerRoundsTest() {
    ServerUp();
    JobRecord record = Record();
    record.plan.consistency.kind = ConsistencyKind::kRounds;
    record.plan.consistency.round_items = 1;
    record.plan.consistency.rounds_in_memory = 4;
    SchedulerActions actions;
    job_ = *core_->Submit(record, now_, &actions);
    Do(std::move(actions));
    Register();
  }

  template <typename Message>
  std::vector<Message> ToServer() const {
    std::vector<Message> messages;
    for (const SchedulerToServer& message : to_server_) {
      if (auto* one = std::get_if<Message>(&message)) messages.push_back(*one);
    }
    return messages;
  }
  VersionKey Key(int32_t partition, int64_t sequence) const {
    return {job_, job().state().generation, PartitionId(partition), Term(7),
            sequence};
  }
  static std::string MarksOf(const JobPlan& plan, int32_t full) {
    MarkSet marks(plan);
    for (int32_t i = 0; i < full; ++i) {
      EXPECT_TRUE(marks.Raise({0, i}, 2).ok());
    }
    return marks.Encode();
  }
  // Partition 0 is in round 3 and keeps none before it; partition 1 came back
  // in round 1.
  JobRegistration Damaged() const {
    JobRegistration registration = Registration(3, 3);
    registration.partitions[0].oldest_round = 3;
    registration.partitions[0].stored = {
        {Key(0, 0), {0, 1}}, {Key(0, 1), {1, 2}}, {Key(0, 2), {2, 3}}};
    registration.partitions[1].marks = MarksOf(job().plan(), 1);
    registration.partitions[1].durable_marks = MarksOf(job().plan(), 1);
    registration.partitions[1].stored = {{Key(1, 0), {0, 1}}};
    return registration;
  }
};

TEST_F(SchedulerRoundsTest, RollsBackWhereAValueThatIsNeededAgainIsGone) {
  WorkerUp(kWorkerLink, kWorker);
  const Generation before = job().state().generation;
  const VersionKey from0 = Key(0, 1), from1 = Key(1, 0);
  FromServer(RegisterPartitions{kServerSession, Damaged()}, kServerSession);
  const Generation now = job().state().generation;
  EXPECT_GT(now, before);
  const std::vector<VersionKey> versions = {from0, from1};
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_EQ(Grants()[0].generation, now);
  EXPECT_EQ(Grants()[0].rollback.versions, versions);
  EXPECT_THAT(Grants()[0].partitions, SizeIs(2));
  ASSERT_FALSE(to_worker_.empty());
  EXPECT_EQ(std::get<LeaseLost>(to_worker_.back().second).generation, before);
  EXPECT_THAT(job().state().rolled_back,
              ::testing::StartsWith("from round 3 to round 1: "));
  // It is durable: a scheduler that starts again knows of it.
  Restart(stored_);
  EXPECT_EQ(job().state().generation, now);
  EXPECT_EQ(job().state().rollback.versions, versions);
}

TEST_F(SchedulerRoundsTest, CatchesUpWhereTheValuesAreKept) {
  const Generation before = job().state().generation;
  JobRegistration registration = Damaged();
  registration.partitions[0].oldest_round = 1;
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  EXPECT_EQ(job().state().generation, before);
  ASSERT_THAT(ToServer<RoundStatus>(), SizeIs(1));
  EXPECT_EQ(ToServer<RoundStatus>()[0].closed_everywhere, 1);
}

TEST_F(SchedulerRoundsTest, ARollbackOpensACompleteJob) {
  Register(4, 4);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  FromServer(RegisterPartitions{kServerSession, Damaged()}, kServerSession);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(Grants(), SizeIs(1));
}

// Bug: a server went on believing the scheduler before, which had known of
// more rounds (seed 157).
TEST_F(SchedulerRoundsTest, TellsTheRoundsAnewAfterARestart) {
  Restart(stored_);
  JobRegistration registration = Registration(0, 0);
  ServerUp({registration});
  registration = Registration(0, 0);
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  ASSERT_THAT(ToServer<RoundStatus>(), SizeIs(1));
  EXPECT_EQ(ToServer<RoundStatus>()[0].closed_everywhere, 0);
}

// Bug: a batch that all but one partition had skipped was computed for ever
// (seed 564).
TEST_F(SchedulerCoreTest, ASkipThatAServerRemembersIsNotForgotten) {
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

TEST_F(SchedulerCoreTest, WhoHoldsAnItemHearsOfASkipThatAServerRemembers) {
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

// Servers, terms, starts and ends of a job; what spans the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SchedulerCoreTest : public SchedulerFixture {};

TEST(NumberSourceTest, ADamagedNumberDoesNotMakeItBeginAgain) {
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  NumberSource numbers;
  const uint64_t first = numbers.Draw(now);
  numbers.Met(UINT64_MAX);
  EXPECT_EQ(numbers.Draw(now), first + 1);
  numbers.Met(first + 10);
  EXPECT_EQ(numbers.Draw(now), first + 11);
}

// Bug: a term above all that can be drawn was taken over, and each grant that
// it called for was below it.
TEST_F(SchedulerCoreTest, NumbersThatWereNeverDrawnAreLeftAlone) {
  ServerUp();
  Submit();
  const Term drawn = job().placement().at(PartitionId(0)).drawn;
  for (const bool term : {true, false}) {
    JobRegistration damaged = Registration(4, 4);
    (term ? damaged.partitions[0].term : damaged.partitions[1].term) =
        Term(UINT64_MAX);
    if (!term) damaged.generation = Generation(UINT64_MAX);
    FromServer(RegisterPartitions{kServerSession, damaged}, kServerSession);
    EXPECT_THAT(log_, ElementsAre(HasSubstr("its storage is damaged")));
    EXPECT_EQ(job().placement().at(PartitionId(0)).drawn, drawn);
    EXPECT_EQ(job().marks().full_everywhere(), 0);
  }
  Register(4, 4);
  EXPECT_EQ(job().marks().full_everywhere(), 4);
}

TEST_F(SchedulerCoreTest, AJobThatCouldNotBeSubmittedIsNotTakenFromAServer) {
  JobRecord record = Record();
  record.id = JobId(9);
  record.plan.shard_size = 1;
  record.plan.epochs = (1 << 20) + 1;
  record.plan.examples = 16;
  JobRegistration huge;
  huge.record = std::make_shared<const JobRecord>(record);
  huge.generation = Generation(1);
  ServerUp({huge});
  EXPECT_THAT(core_->jobs(), IsEmpty());
  EXPECT_THAT(log_, Contains(HasSubstr("16777232 items")));
}

TEST_F(SchedulerCoreTest, AJobOfMoreItemsThanFitIsRefused) {
  JobRecord record = Record();
  record.plan.shard_size = 1;
  record.plan.epochs = 1 << 20;
  record.plan.examples = 16;
  SchedulerActions actions;
  EXPECT_TRUE(core_->Submit(record, now_, &actions).ok());  // 2^24.
  record.plan.examples = 17;
  const absl::Status refused = core_->Submit(record, now_, &actions).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(),
              HasSubstr("17825792 items (1048576 epochs of 17); at most "
                        "16777216 fit"));
}

TEST_F(SchedulerCoreTest, GrantsNothingBeforeAServerIsThere) {
  Submit();
  EXPECT_THAT(to_server_, IsEmpty());
  ServerUp();
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_THAT(Grants()[0].partitions, SizeIs(2));
  EXPECT_EQ(Grants()[0].session, kServerSession);
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
  ServerUp();
  Submit();
  JobRegistration served = Registration(0, 0);
  for (PartitionRegistration& one : served.partitions) {
    one.durable_marks.clear();  // Nothing is.
  }
  FromServer(RegisterPartitions{kServerSession, served}, kServerSession);
  const Term first = job().placement().at(PartitionId(0)).drawn;
  ServerGone();
  RegisterServer again;
  again.server = kServer;
  again.session = SessionId(102);
  again.jobs = {Registration(0, 0)};
  again.jobs[0].partitions.clear();  // It had stored the job, and no version.
  FromServer(again, SessionId(102));
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_EQ(Grants()[0].session, SessionId(102));
  const Grant grant = Grants()[0];
  for (const PartitionGrant& one : grant.partitions) {
    EXPECT_GT(one.term, first);
  }
}

// Bug: a server that was down when another left named it to the next scheduler,
// which waited for it for --takeover-after, each time.
TEST_F(SchedulerCoreTest, WhoLeftIsNotWaitedForThoughOthersNameIt) {
  Ready();
  JobRegistration known = Registration(1, 1);
  constexpr LinkId kLeavingLink(9);
  RegisterServer leaving;
  leaving.server = ServerId(5);
  leaving.session = SessionId(105);
  const auto from_leaving = [&](const ServerToScheduler& message) {
    SchedulerActions actions;
    core_->OnServer(kLeavingLink, message, now_, &actions);
    Do(std::move(actions));
  };
  from_leaving(leaving);
  from_leaving(ServerGoodbye{leaving.session});
  ASSERT_FALSE(core_->cluster().servers.contains(leaving.server));

  RegisterServer naming;
  naming.server = kServer;
  naming.session = SessionId(102);
  naming.known_servers = {kServer, leaving.server};
  naming.jobs = {known};
  const auto before = stored_;
  Restart(before);
  FromServer(naming, naming.session);
  EXPECT_FALSE(core_->gathering());
  // Somebody drew terms that we do not remember: it may own something again.
  naming.jobs[0].partitions[0].term = Term(uint64_t{1} << 60);
  Restart(before);
  FromServer(naming, naming.session);
  EXPECT_TRUE(core_->gathering());
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

// Bug: it was still loading what it had been granted when a scheduler without
// its store met it, and another that came later was given that, too (seed
// 128819).
TEST_F(SchedulerCoreTest, WhoBeginsToServeWhileAllAreWaitedForKeepsItsPlace) {
  Ready();
  JobRegistration loads = Registration(0, 0), serves = Registration(1, 1);
  for (PartitionRegistration& one : loads.partitions) one.serving = false;
  Restart({});
  RegisterServer other;
  other.server = ServerId(1);
  other.session = SessionId(102);
  other.address = "there:1";
  other.jobs = {loads};
  other.known_servers = {kServer, ServerId(1), ServerId(2)};
  SchedulerActions actions;
  core_->OnServer(LinkId(9), other, now_, &actions);
  Do(std::move(actions));
  ServerUp({loads});
  ASSERT_TRUE(core_->gathering());
  FromServer(RegisterPartitions{kServerSession, serves}, kServerSession);
  Tick(SchedulerOptions().takeover_after + absl::Seconds(1));
  ASSERT_FALSE(core_->gathering());
  for (const int32_t p : {0, 1}) {
    EXPECT_EQ(job().placement().at(PartitionId(p)).owner, kServer);
  }
}

}  // namespace
}  // namespace ebb::scheduler

// Two processes that say they are one server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr LinkId kTwinLink(4);
constexpr SessionId kTwin(150);

// A SchedulerFixture with a second process that says it is the server.
class SchedulerTwinTest : public SchedulerFixture {
 protected:
  // Returns its refusal; nullopt: it is not refused.
  std::optional<RefuseServer> TwinUp(SessionId session = kTwin,
                                     std::vector<JobRegistration> jobs = {}) {
    RegisterServer message;
    message.server = kServer;
    message.session = session;
    message.address = "there:2";
    message.process_id = 77;
    message.jobs = std::move(jobs);
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
  std::optional<RefuseServer> TwinHas(JobRegistration job) {
    return TwinUp(kTwin, {std::move(job)});
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

// Bug: any broken connection gave an empty process the place of a living one.
TEST_F(SchedulerTwinTest, AProcessWithoutItsDataWaitsForTheOtherToComeBack) {
  FirstUp();
  Submit();
  Register();
  ServerGone();
  const auto refusal = TwinUp();
  ASSERT_TRUE(refusal.has_value());
  EXPECT_FALSE(refusal->displaced);
  EXPECT_THAT(refusal->reason, HasSubstr("of which this process has nothing"));
  EXPECT_THAT(log_, SizeIs(1));
  EXPECT_TRUE(TwinUp().has_value());
  EXPECT_THAT(log_, IsEmpty());  // Once is enough.
  FirstUp();
  EXPECT_TRUE(core_->cluster().servers.at(kServer).connected);

  // Its storage may really be lost.
  ServerGone();
  now_ += SchedulerOptions().server_ttl;
  EXPECT_FALSE(TwinUp().has_value());
}

TEST_F(SchedulerTwinTest, ANewSchedulerAlsoWaitsForTheOneWithTheData) {
  FirstUp();
  Submit();
  Register();
  JobRegistration known = Registration(1, 1);
  Restart(std::map(stored_));
  EXPECT_TRUE(TwinUp().has_value());
  ServerUp({known});
  EXPECT_TRUE(core_->cluster().servers.at(kServer).connected);

  Restart(std::map(stored_));
  now_ += SchedulerOptions().server_ttl;
  EXPECT_FALSE(TwinUp().has_value());
}

// Bug: a server without partitions waited for that of each new scheduler, which
// never came as long as schedulers died before.
TEST_F(SchedulerTwinTest, ANewSchedulerTakesAServerWithItsStoreAtOnce) {
  const auto refused = [this](const std::string& store,
                              const StoreDamage& damage = {}) {
    RegisterServer message;
    message.server = kServer;
    message.session = kTwin;
    message.address = "there:2";
    message.store = store;
    message.store_damage = damage;
    SchedulerActions actions;
    core_->OnServer(kTwinLink, message, now_, &actions);
    Do(std::move(actions));
    return Refused(kTwinLink).has_value();
  };
  ASSERT_FALSE(refused("its store"));
  Submit();
  // It got no partition before the scheduler died.
  const std::map<std::string, std::string> stored = stored_;
  Restart(stored);
  EXPECT_FALSE(refused("its store"));
  Restart(stored);
  EXPECT_TRUE(refused("another store"));
  Restart(stored);
  EXPECT_TRUE(refused(""));
  // Some of it may be lost.
  Restart(stored);
  EXPECT_TRUE(refused("its store", {.versions_lost = 1}));
  now_ += SchedulerOptions().server_ttl;
  EXPECT_FALSE(refused("its store", {.versions_lost = 1}));
}

// Bug: "server=3 is back" was all that was said of it.
TEST_F(SchedulerTwinTest, AServerThatIsBackWithAnEmptyFolderSaysSo) {
  std::vector<std::string> told;
  const auto up = [&](const std::string& store, SessionId session) {
    RegisterServer message;
    message.server = kServer;
    message.session = session;
    message.address = "here:1";
    message.store = store;
    told.clear();
    SchedulerActions actions;
    core_->OnServer(kServerLink, message, now_, &actions);
    for (const SchedulerAction& action : actions) {
      const auto* event = std::get_if<LogEvent>(&action);
      if (event != nullptr && event->kind == EventKind::kServerUp) {
        told.push_back(event->text);
      }
    }
    Do(std::move(actions));
  };
  up("its store", kServerSession);
  EXPECT_THAT(told, ElementsAre(HasSubstr(" is up at here:1")));
  // It had nothing yet.
  ServerGone();
  up("another", SessionId(201));
  EXPECT_THAT(told, ElementsAre(Not(HasSubstr("empty folder"))));
  EXPECT_FALSE(core_->cluster().servers.at(kServer).lost_store);

  Submit();
  ServerGone();
  now_ += SchedulerOptions().server_ttl;
  up("a third", SessionId(202));
  EXPECT_THAT(
      told,
      ElementsAre(HasSubstr(" is back at here:1 pid=0 with an empty folder")));
  EXPECT_TRUE(core_->cluster().servers.at(kServer).lost_store);
  // With that store it is as it was.
  ServerGone();
  up("a third", SessionId(203));
  EXPECT_THAT(told, ElementsAre(Not(HasSubstr("empty folder"))));
  EXPECT_FALSE(core_->cluster().servers.at(kServer).lost_store);
}

// An older scheduler, which does not know the names of stores, may have
// forgotten the server.
TEST_F(SchedulerTwinTest, TheNameOfAStoreAloneIsNoServer) {
  Restart({{"store/3", "its store"}});
  EXPECT_THAT(core_->cluster().servers, IsEmpty());
}

// Bug: the little that a displaced process still had gave it its place back,
// and what the other had stored meanwhile was begun anew.
TEST_F(SchedulerTwinTest, ANewSchedulerWaitsForTheOneWithAllTheData) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration known = Registration(1, 1);
  Restart(std::map(stored_));
  JobRegistration less = known;
  less.partitions.pop_back();
  EXPECT_TRUE(TwinHas(less).has_value());
  ServerUp({known});
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kServerSession);
}

// Bug: it had something of each partition, of before the other's time.
TEST_F(SchedulerTwinTest, ANewSchedulerWaitsForTheOneWithTheNewestData) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration known = Registration(1, 1);
  JobRegistration older = known;
  for (PartitionRegistration& one : older.partitions) {
    one.serving = false;
    one.term = one.stored_term = Term(job().state().generation.value() + 1);
  }
  Restart(std::map(stored_));
  EXPECT_TRUE(TwinHas(older).has_value());
  ServerUp({known});
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kServerSession);
}

// Bug: an empty process that came first to a scheduler without its store had
// the place of the one with the data, which was refused.
TEST_F(SchedulerTwinTest, AnEmptyProcessLeavesThePlaceToTheOneWithTheData) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration known = Registration(1, 1);
  Restart({});
  EXPECT_FALSE(TwinUp().has_value());
  ServerUp({known});
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kServerSession);
  const auto refusal = Refused(kTwinLink);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_TRUE(refusal->displaced);
  EXPECT_THAT(refusal->reason, HasSubstr("this process has nothing"));
}

// Bug: it was granted partitions as soon as another server told of the job.
TEST_F(SchedulerTwinTest, AnEmptyProcessWaitsForTheOneWithTheDataOfAnotherJob) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration known = Registration(1, 1);
  JobRegistration of_other = known;
  known.partitions.pop_back();
  of_other.partitions.erase(of_other.partitions.begin());
  Restart({});
  EXPECT_FALSE(TwinUp().has_value());
  RegisterServer other;
  other.server = ServerId(1);
  other.session = SessionId(300);
  other.known_servers = {kServer, ServerId(1)};
  other.jobs = {of_other};
  SchedulerActions actions;
  core_->OnServer(LinkId(9), other, now_, &actions);
  Do(std::move(actions));
  EXPECT_TRUE(core_->gathering() || Grants().empty());
  EXPECT_LE(core_->NextTick(), now_ + SchedulerOptions().server_ttl);
  ServerUp({known});
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kServerSession);
  EXPECT_THAT(Grants(), SizeIs(2));
}

// A server that restarts after a rollback to the beginning.
TEST_F(SchedulerTwinTest, WhoBeganAnewAndDiedBeforeItStoredThatIsNotRefused) {
  FirstUp();
  Submit();
  Register(1, 1);
  SchedulerActions actions;
  RollbackOrder order;
  order.generation = job().state().generation;
  ASSERT_TRUE(core_->Rollback(job_, order, now_, &actions).ok());
  Do(std::move(actions));
  JobRegistration served = Registration(0, 0);
  for (PartitionRegistration& one : served.partitions) {
    one.durable_marks.clear();
  }
  FromServer(RegisterPartitions{kServerSession, served}, kServerSession);
  ServerGone();
  now_ += absl::Seconds(1);
  // The same machine, all of its disk: no version of this generation yet.
  JobRegistration known = served;
  for (PartitionRegistration& one : known.partitions) {
    one.serving = false;
    one.marks.clear();
    one.stored_term = Term();
  }
  const auto refusal = TwinHas(known);
  EXPECT_FALSE(refusal.has_value()) << refusal->reason;
}

// Like AnEmptyProcessLeavesThePlace..., but it knows the job's name only.
TEST_F(SchedulerTwinTest, AProcessThatOnlyKnowsTheJobLeavesThePlace) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration known = Registration(1, 1);
  JobRegistration nothing = known;
  nothing.partitions.clear();
  Restart({});
  RegisterServer message;
  message.server = kServer;
  message.session = kTwin;
  message.jobs = {nothing};
  message.known_servers = {kServer, ServerId(1)};
  SchedulerActions actions;
  core_->OnServer(kTwinLink, message, now_, &actions);
  Do(std::move(actions));
  EXPECT_FALSE(Refused(kTwinLink).has_value());
  ServerUp({known});
  EXPECT_FALSE(Refused(kServerLink).has_value())
      << Refused(kServerLink)->reason;
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kServerSession);
}

// The other way: a fresh living process is ended for one that has nothing.
TEST_F(SchedulerTwinTest, AProcessThatHasNothingDoesNotEndALivingOne) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration nothing = Registration(1, 1);
  nothing.partitions.clear();
  nothing.record = nullptr;
  Restart({});
  FirstUp();
  TwinHas(nothing);
  EXPECT_FALSE(Refused(kServerLink).has_value())
      << Refused(kServerLink)->reason;
}

// It came back as of the generation before, with what was rolled back to.
TEST_F(SchedulerTwinTest, WhatIsOfTheGenerationBeforeIsKeptForItToo) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration older = Registration(1, 1);
  RollbackOrder order;
  order.generation = job().state().generation;
  for (PartitionRegistration& one : older.partitions) {
    one.serving = false;
    one.stored_term = one.term;
    order.record.versions.push_back(
        {job_, order.generation, one.partition, one.term, 0});
  }
  SchedulerActions actions;
  ASSERT_TRUE(core_->Rollback(job_, order, now_, &actions).ok());
  Do(std::move(actions));
  ServerGone();  // Before it stored that.
  ServerUp({older});
  ServerGone();
  EXPECT_TRUE(TwinUp().has_value());
}

// Bug: it was taken for a process without its data, since the scheduler's store
// was of before the move.
TEST_F(SchedulerTwinTest, WhoMovedAPartitionAwayDoesNotLackIt) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration known = Registration(1, 1);
  PartitionRegistration& moved = known.partitions[0];
  moved.term = Term(moved.term.value() + 100);  // Another's.
  moved.serving = false;
  moved.stored_term = Term();
  Restart(std::map(stored_));
  const auto refusal = TwinHas(known);
  EXPECT_FALSE(refusal.has_value()) << refusal->reason;
}

// Bug: an older disk of its had the place of the one with the version that the
// job was rolled back to.
TEST_F(SchedulerTwinTest, AnOlderDiskLacksWhatTheJobWasRolledBackTo) {
  FirstUp();
  Submit();
  Register(1, 1);
  JobRegistration older = Registration(1, 1);
  RollbackOrder order;
  order.generation = job().state().generation;
  for (PartitionRegistration& one : older.partitions) {
    order.record.versions.push_back(
        {job_, order.generation, one.partition, one.term, 0});
    one.serving = false;
    one.stored_term = one.term = Term(one.term.value() - 1);
  }
  SchedulerActions actions;
  ASSERT_TRUE(core_->Rollback(job_, order, now_, &actions).ok());
  Do(std::move(actions));
  ServerGone();
  EXPECT_TRUE(TwinHas(older).has_value());
}

// Bug: what a server had stored counted for nothing until it served it.
TEST_F(SchedulerTwinTest, WhatAServerHasOnlyStoredIsKeptForItToo) {
  FirstUp();
  Submit();
  Register();
  ServerGone();
  JobRegistration stored = Registration(1, 1);
  for (PartitionRegistration& one : stored.partitions) one.serving = false;
  ServerUp({stored});
  ServerGone();
  EXPECT_TRUE(TwinUp().has_value());
}

// Bug: likewise when a new scheduler had begun without it.
TEST_F(SchedulerTwinTest, WhatAServerHadBeforeTheSchedulerIsKeptForItToo) {
  FirstUp();
  Submit();
  Register();
  SchedulerOptions options;
  options.server_ttl = 2 * options.takeover_after;
  Restart(std::map(stored_), options);
  Tick(options.takeover_after);
  EXPECT_FALSE(core_->gathering());
  EXPECT_TRUE(TwinUp().has_value());
}

TEST_F(SchedulerTwinTest, ASilentServerIsDisplacedAndTold) {
  FirstUp();
  Submit();
  Register();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(TwinUp().has_value());
    now_ += SchedulerOptions().server_ttl / 5;
  }
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

// Bug: one that asked rarely was taken for a scheduler that stood still, and
// never got the place.
TEST_F(SchedulerTwinTest, TheOtherMayAskAsRarelyAsItLikes) {
  SchedulerOptions options;
  options.server_ttl = options.last_word = absl::Seconds(1);
  Restart({}, options);
  FirstUp();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(TwinUp().has_value());
    const absl::Time until = now_ + absl::Milliseconds(900);
    while (core_->NextTick() < until) Tick(core_->NextTick() - now_);
    now_ = until;
  }
  EXPECT_FALSE(TwinUp().has_value());
  EXPECT_EQ(core_->NextTick(), absl::InfiniteFuture());
}

// Bug: each made the other's wait begin anew, for ever.
TEST_F(SchedulerTwinTest, TwoThatWantThePlaceDoNotKeepEachOtherOut) {
  FirstUp();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(TwinUp(SessionId(200 + i % 2)).has_value());
    now_ += SchedulerOptions().server_ttl / 10;
  }
  EXPECT_FALSE(TwinUp(SessionId(200)).has_value());
}

// Bug: what a scheduler had not read while it stood still was taken for the
// silence of a server.
TEST_F(SchedulerTwinTest, ASchedulerThatStoodStillHearsTheServerOut) {
  FirstUp();
  Submit();
  Register();
  for (int i = 0; i < 3; ++i) {
    now_ += 2 * SchedulerOptions().server_ttl;
    EXPECT_TRUE(TwinUp().has_value());
    FromServer(ServerAlive{kServerSession}, kServerSession);
  }
  EXPECT_EQ(core_->cluster().servers.at(kServer).session, kServerSession);

  // The same if the other had come before.
  EXPECT_TRUE(TwinUp().has_value());
  now_ += 2 * SchedulerOptions().server_ttl;
  EXPECT_TRUE(TwinUp().has_value());
  FromServer(ServerAlive{kServerSession}, kServerSession);

  // It is not there, and the other asks again.
  now_ += 2 * SchedulerOptions().server_ttl;
  EXPECT_TRUE(TwinUp().has_value());
  now_ += SchedulerOptions().last_word / 2;
  EXPECT_TRUE(TwinUp().has_value());
  now_ += SchedulerOptions().last_word / 2;
  EXPECT_FALSE(TwinUp().has_value());
}

// Bug: it was taken for the newer connection, and the server heard nothing
// more.
TEST_F(SchedulerTwinTest, WhatWasSaidOnAnOlderConnectionComesTooLate) {
  const LinkId newer(kServerLink.value() + 10);
  const auto up = [&](LinkId link) {
    RegisterServer message;
    message.server = kServer;
    message.session = kServerSession;
    SchedulerActions actions;
    core_->OnServer(link, message, now_, &actions);
    Do(std::move(actions));
  };
  up(newer);
  up(kServerLink);
  EXPECT_EQ(core_->cluster().servers.at(kServer).link, newer);
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

}  // namespace
}  // namespace ebb::scheduler

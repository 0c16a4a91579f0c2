// Partitions that change their server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr LinkId kNewLink(7);
constexpr ServerId kNewServer(1);
constexpr SessionId kNewSession(200);

// A SchedulerFixture with a second server. The job has two partitions.
class SchedulerMovesTest : public SchedulerFixture {
 protected:
  void Say(LinkId link, const ServerToScheduler& message) {
    SchedulerActions actions;
    core_->OnServer(link, message, now_, &actions);
    Do(std::move(actions));
  }
  void Up(LinkId link, ServerId id, SessionId session, std::string folder = "",
          std::vector<JobRegistration> jobs = {}) {
    RegisterServer message;
    message.server = id;
    message.session = session;
    message.address = absl::StrCat("server-", id.value());
    message.jobs = std::move(jobs);
    message.shared_folder = std::move(folder);
    Say(link, message);
  }
  // The first server, which knows of the second, comes to a new scheduler.
  void OursUp(const JobRegistration& ours) {
    RegisterServer message;
    message.server = kServer;
    message.session = kServerSession;
    message.jobs = {ours};
    message.known_servers = {kServer, kNewServer};
    Say(kServerLink, message);
  }
  void OtherUp(std::string folder = "") {
    Up(kNewLink, kNewServer, kNewSession, std::move(folder));
  }
  void Gone(LinkId link) {
    SchedulerActions actions;
    core_->OnServerDisconnected(link, now_, &actions);
    Do(std::move(actions));
  }
  // The last message of the kind that was sent on the link.
  template <typename Message>
  std::optional<Message> Sent(LinkId link) const {
    std::optional<Message> found;
    for (size_t i = 0; i < to_server_.size(); ++i) {
      const auto* message = std::get_if<Message>(&to_server_[i]);
      if (message != nullptr && to_server_links_[i] == link) found = *message;
    }
    return found;
  }
  // The report of one partition's new owner.
  JobRegistration Has(PartitionId p, Term term, int32_t full) const {
    JobRegistration registration = Registration(full, full);
    PartitionRegistration one = registration.partitions[p.value()];
    one.term = one.stored_term = term;
    registration.partitions = {one};
    return registration;
  }
  const Ownership& At(PartitionId p) const { return job().placement().at(p); }
};

TEST_F(SchedulerMovesTest, AServerThatJoinsGetsItsShare) {
  Ready();
  OtherUp();
  const auto order = Sent<MoveIn>(kNewLink);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->partition, PartitionId(0));
  EXPECT_EQ(order->source, kServerSession);
  EXPECT_EQ(order->source_term, At(PartitionId(0)).drawn);
  EXPECT_GT(order->term, order->source_term);
  // Nothing has changed yet.
  EXPECT_EQ(At(PartitionId(0)).owner, kServer);
  EXPECT_TRUE(job().placement().AllRegistered());

  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), order->term, 1)});
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
  EXPECT_EQ(At(PartitionId(0)).drawn, order->term);
  EXPECT_TRUE(job().placement().AllRegistered());
  for (const LinkId link : {kServerLink, kNewLink}) {
    const auto moved = Sent<PartitionMoved>(link);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->owner, kNewServer);
    EXPECT_EQ(moved->term, order->term);
  }
  // One each: there is nothing more to do.
  EXPECT_FALSE(Sent<MoveIn>(kNewLink));
  EXPECT_THAT(job().parts().moves.underway(), IsEmpty());
}

// Bug: all jobs of one partition began at the first server.
TEST_F(SchedulerMovesTest, JobsBeginAtTheServerThatHasLeastOfAllJobs) {
  ServerUp();
  OtherUp();
  std::vector<ServerId> owners;
  JobRecord small = Record();
  small.plan.partitions = 1;
  for (int i = 0; i < 3; ++i) {
    small.name = absl::StrCat("small ", i);
    Submit(small);
    owners.push_back(At(PartitionId(0)).owner);
  }
  EXPECT_THAT(owners, ElementsAre(kServer, kNewServer, kServer));
  // A job's own partitions go to all servers nevertheless.
  Submit();
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
  EXPECT_EQ(At(PartitionId(1)).owner, kServer);
}

// The fixture fails if the message is sent before the owner is stored.
TEST_F(SchedulerMovesTest, ANewOwnerIsRememberedByTheNextScheduler) {
  Ready();
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 1)});
  Restart(stored_);
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
  EXPECT_EQ(job().state().owned_since[0], term);
  // An owner of before that was not told does not get it back.
  JobRegistration old = Registration(1, 1);
  old.partitions[0].term = old.partitions[0].stored_term =
      Term(term.value() - 1);
  old.partitions[1].term = old.partitions[1].stored_term =
      Term(term.value() - 1);
  Up(kServerLink, kServer, kServerSession, "", {old});
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
  EXPECT_EQ(At(PartitionId(1)).owner, kServer);
}

// Bug: after a restart in between, a version was named that the owner has not.
TEST_F(SchedulerMovesTest, ARollbackNamesNoVersionOfAnOwnerOfBefore) {
  Ready();
  const VersionKey looked_up{job_, job().state().generation, PartitionId(0),
                             At(PartitionId(0)).drawn, 1};
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 1)});
  Restart(stored_);
  Up(kServerLink, kServer, kServerSession, "", {Registration(0, 0)});
  Up(kNewLink, kNewServer, kNewSession, "", {Has(PartitionId(0), term, 1)});
  Register();
  JobRegistration other = Registration(0, 0);
  std::erase_if(other.partitions, [](const PartitionRegistration& one) {
    return one.partition != PartitionId(0);
  });
  Say(kNewLink, RegisterPartitions{kNewSession, other});
  ASSERT_TRUE(job().placement().AllRegistered());
  SchedulerActions actions;
  const absl::Status status = core_->Rollback(
      job_, {job().state().generation, {{looked_up}}, "to noon"}, now_,
      &actions);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
}

TEST_F(SchedulerMovesTest, AMoveIsGivenUpWhenItsTargetIsLost) {
  Ready();
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  const Term before = At(PartitionId(0)).drawn;
  Gone(kNewLink);
  // The source goes on, from memory, under a term that outranks the copy.
  const auto grant = Sent<Grant>(kServerLink);
  ASSERT_TRUE(grant);
  ASSERT_THAT(grant->partitions, SizeIs(1));
  EXPECT_EQ(grant->partitions[0].parent, before);
  EXPECT_GT(grant->partitions[0].term, term);
  EXPECT_EQ(job().parts().moves.given_up(), 1);

  // It is too late for the copy.
  OtherUp();
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 1)});
  EXPECT_EQ(At(PartitionId(0)).owner, kServer);
}

TEST_F(SchedulerMovesTest, AMoveWithoutProgressIsGivenUpAndTriedAgain) {
  Ready();
  OtherUp();
  const MoveIn order = *Sent<MoveIn>(kNewLink);
  MoveProgress progress;
  progress.session = kNewSession;
  progress.job = job_;
  progress.generation = order.generation;
  progress.partition = order.partition;
  progress.term = order.term;
  const absl::Duration timeout = SchedulerOptions().move_timeout;
  Tick(timeout / 2);
  Say(kNewLink, progress);
  Tick(timeout / 2);
  EXPECT_THAT(job().parts().moves.underway(), SizeIs(1));
  EXPECT_LE(core_->NextTick(), now_ + timeout / 2);
  Tick(timeout / 2);
  EXPECT_THAT(job().parts().moves.underway(), IsEmpty());
  EXPECT_THAT(log_, Contains(HasSubstr("showed no progress")));
  EXPECT_EQ(Sent<PartitionMoved>(kNewLink)->owner, kServer);
  Register();
  Tick(core_->NextTick() - now_);
  EXPECT_TRUE(Sent<MoveIn>(kNewLink));
  // Each time after a longer while.
  Tick(timeout);
  Register();
  Tick(absl::Seconds(1));
  EXPECT_FALSE(Sent<MoveIn>(kNewLink));
  Tick(absl::Seconds(1));
  EXPECT_TRUE(Sent<MoveIn>(kNewLink));
}

TEST_F(SchedulerMovesTest, AMoveThatFailsSaysWhy) {
  Ready();
  OtherUp();
  MoveProgress progress;
  progress.session = kNewSession;
  progress.job = job_;
  progress.generation = job().state().generation;
  progress.term = Sent<MoveIn>(kNewLink)->term;
  progress.failed = "there is no memory for it";
  Say(kNewLink, progress);
  EXPECT_THAT(log_, Contains(HasSubstr("there is no memory for it")));
  EXPECT_EQ(At(PartitionId(0)).owner, kServer);
}

TEST_F(SchedulerMovesTest, ATargetThatDoesNotReachTheSourceIsRemembered) {
  Ready();
  OtherUp();
  const MoveIn order = *Sent<MoveIn>(kNewLink);
  MoveProgress progress;
  progress.session = kNewSession;
  progress.job = job_;
  progress.generation = order.generation;
  progress.partition = order.partition;
  progress.term = order.term;
  progress.failed = "it cannot reach it";
  progress.unreached =
      PeerTrouble{ServerId(0), kServerSession,
                  "here:1",    absl::Seconds(3),
                  9,           {CallCause::kRefused, "refused"}};
  Say(kNewLink, progress);

  ASSERT_THAT(job().parts().moves.avoid(), SizeIs(1));
  const auto& unreached = job().parts().moves.avoid().begin()->second.unreached;
  ASSERT_TRUE(unreached);
  EXPECT_EQ(unreached->trouble.server, kServer);
  EXPECT_EQ(unreached->trouble.why.text, "refused");
  EXPECT_EQ(unreached->since, now_ - absl::Seconds(3));
}

TEST_F(SchedulerMovesTest, AServerThatLeavesIsEmptiedFirst) {
  Ready();
  OtherUp();
  Say(kNewLink, MovedIn{kNewSession,
                        Has(PartitionId(0), Sent<MoveIn>(kNewLink)->term, 1)});
  Say(kServerLink, ServerLeaving{kServerSession});
  EXPECT_FALSE(Sent<LeaveNow>(kServerLink));
  const auto order = Sent<MoveIn>(kNewLink);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->partition, PartitionId(1));
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(1), order->term, 1)});
  EXPECT_TRUE(Sent<LeaveNow>(kServerLink));
  // Nobody waits for it: it has nothing.
  Say(kServerLink, ServerGoodbye{kServerSession});
  EXPECT_FALSE(core_->cluster().servers.contains(kServer));
  Restart(stored_);
  EXPECT_FALSE(core_->cluster().servers.contains(kServer));
}

TEST_F(SchedulerMovesTest, TheLastServerMayLeaveAtOnce) {
  Ready();
  Say(kServerLink, ServerLeaving{kServerSession});
  EXPECT_TRUE(Sent<LeaveNow>(kServerLink));
  // Its data waits for it.
  Say(kServerLink, ServerGoodbye{kServerSession});
  EXPECT_TRUE(core_->cluster().servers.contains(kServer));
}

TEST_F(SchedulerMovesTest, TheOperatorSaysOnHowManyServersAJobLies) {
  Ready();
  SchedulerActions actions;
  ASSERT_TRUE(
      core_->ScaleJob(job_, {.workers = {}, .servers = 1}, now_, &actions)
          .ok());
  Do(std::exchange(actions, {}));
  OtherUp();
  EXPECT_FALSE(Sent<MoveIn>(kNewLink));
  ASSERT_TRUE(
      core_->ScaleJob(job_, {.workers = {}, .servers = 0}, now_, &actions)
          .ok());
  Do(std::exchange(actions, {}));
  EXPECT_TRUE(Sent<MoveIn>(kNewLink));
  EXPECT_FALSE(
      core_->ScaleJob(job_, {.workers = {}, .servers = -1}, now_, &actions)
          .ok());
}

// Bug: the source, which was forgotten meanwhile, was looked for.
TEST_F(SchedulerMovesTest, ACancelledJobMovesNoMore) {
  Ready();
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  SchedulerActions actions;
  ASSERT_TRUE(core_->Cancel(job_, now_, &actions).ok());
  Do(std::move(actions));
  EXPECT_THAT(job().parts().moves.underway(), IsEmpty());
  Say(kServerLink, ServerLeaving{kServerSession});
  EXPECT_TRUE(Sent<LeaveNow>(kServerLink));
  Say(kServerLink, ServerGoodbye{kServerSession});
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 1)});
  EXPECT_EQ(At(PartitionId(0)).owner, kServer);
}

// Bug: the term that the source had seen was taken for its claim, so that the
// same term of the owner's was none (seed 17952700032987).
TEST_F(SchedulerMovesTest, TheSourceHasSeenTheTermOfTheOneThatHasIt) {
  Ready();
  const auto before = stored_;
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 1)});
  JobRegistration ours = Registration(0, 0);
  ours.partitions[0].serving = false;
  ours.partitions[0].term = term;
  ours.partitions[0].stored_term = Term();
  Restart(before);
  OursUp(ours);
  Say(kServerLink, RegisterPartitions{kServerSession, ours});
  Up(kNewLink, kNewServer, kNewSession, "", {Has(PartitionId(0), term, 1)});
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
}

// Bug: the rollback was heard of from the source, and what it led to, which
// only the target had, of the generation before, went to the source (seed
// 17952562036627).
TEST_F(SchedulerMovesTest, WhoHasWhatARollbackLedToIsItsOwner) {
  Ready();
  const auto before = stored_;
  const Generation first = job().state().generation;
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 1)});
  JobRegistration theirs = Has(PartitionId(0), term, 1);
  theirs.partitions[0].serving = false;
  RollbackOrder order;
  order.generation = first;
  order.record.versions = {{job_, first, PartitionId(0), term, 0}};
  SchedulerActions actions;
  ASSERT_TRUE(core_->Rollback(job_, order, now_, &actions).ok());
  Do(std::move(actions));
  // Which the target dies before it hears of.
  JobRegistration ours = Registration(0, 0);
  ours.rollback = order.record;
  ours.partitions[0].serving = false;
  ours.partitions[0].term = term;
  ours.partitions[0].stored_term = Term();
  Restart(before);
  OursUp(ours);
  ASSERT_GT(job().state().generation, first);
  Up(kNewLink, kNewServer, kNewSession, "", {theirs});
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
}

// Bug: it outlived the move, and was believed by the next scheduler though the
// source had gone on long since.
TEST_F(SchedulerMovesTest, TheCopyOfAMoveThatWasGivenUpIsNoClaim) {
  Ready();
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  Gone(kNewLink);
  Register(2, 2);
  Restart(stored_);
  JobRegistration copy = Has(PartitionId(0), term, 1);
  copy.partitions[0].serving = false;
  Up(kNewLink, kNewServer, SessionId(201), "", {copy});
  Tick(SchedulerOptions().takeover_after);
  EXPECT_EQ(At(PartitionId(0)).owner, kServer);
}

// Bug: a scheduler without its store, which nobody reached for as long as it
// gathers, dealt out what the first server told of before the others were
// heard: they forgot what only they had.
TEST_F(SchedulerMovesTest, AJobHeardOfLateWaitsForTheServersItNames) {
  Ready();
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 1)});
  const JobRegistration theirs = Has(PartitionId(0), term, 1);
  JobRegistration ours = Registration(1, 1);
  ours.partitions.erase(ours.partitions.begin());
  const JobId id = job_;
  Restart({});
  Tick(SchedulerOptions().takeover_after);

  OursUp(ours);
  now_ += absl::Seconds(1);
  Up(kNewLink, kNewServer, kNewSession, "", {theirs});
  job_ = id;
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
  EXPECT_EQ(At(PartitionId(1)).owner, kServer);
  const auto grant = Sent<Grant>(kNewLink);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->partitions[0].parent, term);
}

// Bug: the evaluation waited for its time-out, a minute.
TEST_F(SchedulerMovesTest, AnEvaluationBeginsAgainWhereItsValuesAreNow) {
  ServerUp();
  JobRecord record = Record();
  record.plan.evaluate_every = 1;
  Submit(record);
  Register(4, 4);
  const auto before = Sent<TakeSnapshot>(kServerLink);
  ASSERT_TRUE(before);
  OtherUp();
  const Term term = Sent<MoveIn>(kNewLink)->term;
  Say(kNewLink, MovedIn{kNewSession, Has(PartitionId(0), term, 4)});
  for (const LinkId link : {kServerLink, kNewLink}) {
    const auto again = Sent<TakeSnapshot>(link);
    ASSERT_TRUE(again);
    EXPECT_GT(again->snapshot, before->snapshot);
  }
}

// --- Takeover ----------------------------------------------------------------

class SchedulerTakeoverTest : public SchedulerMovesTest {
 protected:
  // The report of the server that comes back with all that it had stored.
  JobRegistration Restarted() const {
    JobRegistration stored = Registration(1, 1);
    for (PartitionRegistration& one : stored.partitions) {
      one.serving = false;
      one.stored_term = one.term;
      one.marks.clear();
      one.durable_marks.clear();
    }
    return stored;
  }
  // The server has everything; the other, with `folder`, nothing; then the
  // server is away for as long as the scheduler waits.
  void LoseServer(std::string folder) {
    Up(kServerLink, kServer, kServerSession, "ours");
    SchedulerActions actions;
    Submit();
    ASSERT_TRUE(
        core_->ScaleJob(job_, {.workers = {}, .servers = 1}, now_, &actions)
            .ok());
    Do(std::move(actions));
    Register();
    OtherUp(std::move(folder));
    Gone(kServerLink);
    Tick(SchedulerOptions().takeover_after - absl::Seconds(1));
    EXPECT_THAT(Grants(), IsEmpty());
    EXPECT_LE(core_->NextTick(), now_ + absl::Seconds(1));
    Tick(absl::Seconds(1));
  }
};

TEST_F(SchedulerTakeoverTest, WhoSharesTheFolderTakesOver) {
  LoseServer("ours");
  const std::vector<Grant> grants = Grants();
  ASSERT_THAT(grants, SizeIs(2));
  EXPECT_THAT(grants[0].partitions, SizeIs(2));
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
  EXPECT_EQ(job().parts().takeover.taken_over(), 2);
  // And who is there: the one that is gone is waited for no more.
  EXPECT_THAT(grants[1].known_servers, testing::ElementsAre(kNewServer));
}

// It owned nothing, and heard of no view.
TEST_F(SchedulerTakeoverTest, WhoTakesOverHearsOfTheView) {
  JobRecord record = Record();
  record.plan.consistency.kind = ConsistencyKind::kSsp;
  record.plan.consistency.clock_bound = 1;
  Up(kServerLink, kServer, kServerSession, "ours");
  Submit(record);
  Register();
  OtherUp("ours");
  EXPECT_FALSE(Sent<ViewUpdate>(kNewLink));
  WorkerUp(kWorkerLink, kWorker);
  AsksToJoin(kWorkerLink, kWorker, {0, 0});
  Gone(kServerLink);

  Tick(SchedulerOptions().takeover_after);

  ASSERT_EQ(At(PartitionId(0)).owner, kNewServer);
  const auto view = Sent<ViewUpdate>(kNewLink);
  ASSERT_TRUE(view);
  EXPECT_THAT(view->members, SizeIs(1));
}

// Bug: a broken connection while it gathers made it take what others had.
TEST_F(SchedulerTakeoverTest, AStartingSchedulerTakesNothing) {
  Up(kServerLink, kServer, kServerSession, "ours");
  OtherUp("ours");
  Submit();
  Restart(stored_);
  OtherUp("ours");
  Gone(kNewLink);
  OtherUp("ours");
  EXPECT_TRUE(core_->gathering());
  EXPECT_THAT(Grants(), IsEmpty());
}

TEST_F(SchedulerTakeoverTest, WhoDoesNotShareItDoesNot) {
  LoseServer("another");
  EXPECT_THAT(Grants(), IsEmpty());
  EXPECT_EQ(At(PartitionId(0)).owner, kServer);
}

// Its data may be all there is until then.
TEST_F(SchedulerTakeoverTest, AnOwnerOfBeforeForgetsWhenTheHeirHasItDurable) {
  JobRegistration old;
  LoseServer("ours");
  old = Registration(2, 2);
  for (PartitionRegistration& one : old.partitions) {
    one.term = one.stored_term = Term(one.term.value() - 100);
  }
  const auto heir = [&](bool durable) {
    JobRegistration registration = Registration(1, 1);
    if (!durable) {
      for (auto& one : registration.partitions) one.durable_marks.clear();
    }
    Say(kNewLink, RegisterPartitions{kNewSession, registration});
  };
  heir(false);
  Up(kServerLink, kServer, SessionId(101), "ours", {old});
  EXPECT_FALSE(Sent<PartitionMoved>(kServerLink));
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
  heir(true);
  EXPECT_EQ(Sent<PartitionMoved>(kServerLink)->owner, kNewServer);
}

// Bug: where its owner copies to now was taken for where its newest durable
// version is, and that was lost.
TEST_F(SchedulerTakeoverTest, WhatIsDurableInNoFolderWaitsForItsOwner) {
  Up(kServerLink, kServer, kServerSession);
  Submit();
  Register();
  OtherUp("ours");
  Gone(kServerLink);
  // It comes back with a folder, and is lost before anything is copied there.
  Up(kServerLink, kServer, SessionId(101), "ours", {Restarted()});
  Gone(kServerLink);
  Tick(SchedulerOptions().takeover_after);
  Tick(absl::Seconds(1));
  EXPECT_EQ(At(PartitionId(1)).owner, kServer);
  EXPECT_EQ(job().parts().takeover.taken_over(), 0);
  EXPECT_EQ(job().state().durable_in[1], "");
}

TEST_F(SchedulerTakeoverTest, WhatIsDurableInAFolderIsTakenFromThere) {
  Up(kServerLink, kServer, kServerSession, "ours");
  Submit();
  Register();
  Gone(kServerLink);
  OtherUp("ours");
  Tick(SchedulerOptions().takeover_after);
  Tick(absl::Seconds(1));
  EXPECT_EQ(At(PartitionId(1)).owner, kNewServer);
}

// Bug: it knew nothing of who had come meanwhile and took a partition from it,
// so that a scheduler without its store waited for nobody but it (seed
// 17952394905910).
TEST_F(SchedulerTakeoverTest, WhoWasAwayHearsOfTheServersThatCameMeanwhile) {
  Up(kServerLink, kServer, kServerSession, "ours");
  Submit();
  Register(1, 1);
  Gone(kServerLink);
  OtherUp("ours");
  Up(kServerLink, kServer, kServerSession, "ours", {Registration(1, 1)});
  const auto told = Sent<Grant>(kServerLink);
  ASSERT_TRUE(told);
  EXPECT_THAT(told->partitions, IsEmpty());
  EXPECT_THAT(told->known_servers,
              testing::UnorderedElementsAre(kServer, kNewServer));
}

// Bug: it got its partitions back, and began them anew (seed 4760).
TEST_F(SchedulerTakeoverTest, WhoComesBackWithoutItsFolderIsRefused) {
  Up(kServerLink, kServer, kServerSession, "ours");
  Submit();
  Register(1, 1);
  Gone(kServerLink);
  const JobRegistration whole = Restarted();
  JobRegistration stored = whole;
  for (PartitionRegistration& one : stored.partitions) {
    one.stored_term = Term();  // Its own storage was lost.
  }
  Up(kServerLink, kServer, SessionId(101), "", {stored});
  const auto refused = Sent<RefuseServer>(kServerLink);
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->displaced);
  EXPECT_THAT(refused->reason, testing::HasSubstr("--shared-checkpoints"));
  EXPECT_THAT(Grants(), IsEmpty());
  // It has all of it itself, too.
  Up(kServerLink, kServer, SessionId(102), "", {whole});
  EXPECT_THAT(Grants(), SizeIs(1));
}

// Bug: what it took over had become durable while no scheduler was there, so it
// was let in, and began it anew (seed 15039).
TEST_F(SchedulerTakeoverTest, AnHeirThatComesBackWithoutTheFolderIsRefused) {
  Up(kServerLink, kServer, kServerSession, "ours");
  Submit();
  Gone(kServerLink);  // It was granted its partitions, and said no more.
  OtherUp("ours");
  Tick(SchedulerOptions().takeover_after);
  Tick(absl::Seconds(1));
  ASSERT_EQ(At(PartitionId(0)).owner, kNewServer);
  Gone(kNewLink);
  Up(kNewLink, kNewServer, SessionId(302), "");
  EXPECT_TRUE(Sent<RefuseServer>(kNewLink));
  EXPECT_THAT(Grants(), IsEmpty());
  Up(kNewLink, kNewServer, SessionId(303), "ours");
  EXPECT_THAT(Grants(), SizeIs(1));
}

// Bug: an heir that had owned a partition before went on from what it still had
// of then, if the scheduler died before it said what it got (seed
// 17952600025814).
TEST_F(SchedulerTakeoverTest, WhatAnHeirServesOfAnEarlierTimeIsNoParent) {
  LoseServer("ours");
  JobRegistration earlier = Registration(1, 1);
  for (PartitionRegistration& one : earlier.partitions) {
    one.term = Term(job().state().generation.value() + 1);
  }
  Restart(stored_);
  Up(kNewLink, kNewServer, kNewSession, "ours", {earlier});
  ASSERT_THAT(Grants(), testing::Not(IsEmpty()));
  const Grant grant = Grants()[0];
  ASSERT_THAT(grant.partitions, SizeIs(2));
  for (const PartitionGrant& one : grant.partitions) {
    EXPECT_EQ(one.parent, Term());
  }
}

// What is known to be stored is what the owner of before stored.
TEST_F(SchedulerTakeoverTest, ANewSchedulerDoesNotHoldUpAnHeirThatLoads) {
  LoseServer("ours");
  JobRegistration loads = Registration(0, 0);
  for (PartitionRegistration& one : loads.partitions) one.serving = false;
  Restart(stored_);
  Up(kNewLink, kNewServer, kNewSession, "ours", {loads});
  EXPECT_FALSE(Sent<RefuseServer>(kNewLink));
  EXPECT_TRUE(core_->cluster().servers.at(kNewServer).connected);
}

// Bug: it stored versions of its next term outside of the folder, and others
// went on from the older copies there (seed 121394).
TEST_F(SchedulerTakeoverTest, WhatGoesOnWithoutTheFolderIsNotTakenFromThere) {
  Up(kServerLink, kServer, kServerSession, "ours");
  Submit();
  Register(1, 1);
  Gone(kServerLink);
  Up(kServerLink, kServer, SessionId(101), "", {Restarted()});
  ASSERT_THAT(Grants(), SizeIs(1));
  Gone(kServerLink);
  OtherUp("ours");
  Tick(SchedulerOptions().takeover_after);
  Tick(absl::Seconds(1));
  EXPECT_EQ(At(PartitionId(0)).owner, kServer);
  EXPECT_EQ(job().parts().takeover.taken_over(), 0);
}

TEST_F(SchedulerTakeoverTest, TheNextSchedulerKnowsTheFolder) {
  Up(kServerLink, kServer, kServerSession, "ours");
  Submit();
  Register();
  Restart(stored_);
  OtherUp("ours");
  Tick(SchedulerOptions().takeover_after);
  Tick(absl::Seconds(1));
  EXPECT_EQ(At(PartitionId(0)).owner, kNewServer);
}

}  // namespace
}  // namespace ebb::scheduler

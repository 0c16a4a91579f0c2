#include "server/server_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr SessionId kSession(11), kWorker(21);
constexpr ServerId kServer(0);
constexpr PartitionId kP(0);

// Adds the sum of gradients; starts at zero.
class AddingRule : public UpdateRule {
 public:
  int SlotCount() const override { return 0; }
  void InitialWeights(int64_t first, std::span<float> out) const override {
    std::ranges::fill(out, 0.0f);
  }
  void InitialSlot(int slot, int64_t first, std::span<const float> weights,
                   std::span<float> out) const override {}
  void Step(const StepPlace& place, const StepRun& run) const override {
    run.gradient->Next(run.weights.size());
    std::ranges::copy(run.weights, run.out.begin());
  }
};

// One partition, one item of 4 examples in batches of 1.
class ServerCoreTest : public testing::Test {
 protected:
  ServerCoreTest() {
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(7);
    record->plan.examples = 4;
    record->plan.shard_size = 4;
    record->plan.parameters = 2;
    record->plan.block_floats = 16;
    record->plan.checkpoint_keep = 1;
    record_ = record;
    Restart({});
  }

  void Restart(const Inventory& inventory) {
    ServerOptions options;
    options.id = kServer;
    options.session = kSession;
    options.resources =
        [this](const JobRecord&) -> absl::StatusOr<JobResources> {
      return JobResources{
          std::make_shared<AddingRule>(),
          *BlockPool::Create(
              {.block_bytes = 64, .max_bytes = memory_, .shared = false})};
    };
    core_ = std::make_unique<ServerCore>(std::move(options), inventory);
    ServerActions actions;
    core_->OnSchedulerConnected(now_, &actions);
    Do(std::move(actions));
  }

  // Carries out updates at once; keeps the rest for the test to look at.
  void Do(ServerActions actions) {
    std::deque<ServerAction> queue;
    for (auto& action : actions) queue.push_back(std::move(action));
    while (!queue.empty()) {
      ServerAction action = std::move(queue.front());
      queue.pop_front();
      ServerActions more;
      if (std::holds_alternative<RunUpdate>(action) && hold_updates_) {
        held_updates_.push_back(std::move(action));
      } else if (auto* run = std::get_if<RunUpdate>(&action)) {
        run->task.partition->Compute(run->task.update.get());
        core_->OnUpdateDone(std::move(run->task), now_, &more);
      } else if (auto* write = std::get_if<WriteVersion>(&action)) {
        writes_.push_back(std::move(*write));
      } else if (auto* load = std::get_if<LoadVersion>(&action)) {
        loads_.push_back(load->key);
      } else if (auto* push = std::get_if<ReplyPush>(&action)) {
        push_replies_.push_back(push->reply);
      } else if (auto* pull = std::get_if<ReplyPull>(&action)) {
        pull_replies_.push_back(pull->reply);
      } else if (auto* send = std::get_if<SendScheduler>(&action)) {
        if (auto* r = std::get_if<RegisterPartitions>(&send->message)) {
          registrations_.push_back(r->job);
        } else if (std::holds_alternative<MarkReport>(send->message)) {
          updates_at_report_ = std::exchange(statistics_.updates, 0);
        } else if (auto* s = std::get_if<ServerStatistics>(&send->message)) {
          statistics_ = std::move(*s);
        } else if (std::holds_alternative<ViewRequest>(send->message)) {
          ++view_requests_;
        } else if (std::holds_alternative<ServerAlive>(send->message)) {
          ++alive_;
        }
      } else if (auto* log = std::get_if<LogEvent>(&action)) {
        log_.push_back(std::move(*log));
      } else if (std::holds_alternative<RetrySession>(action)) {
        ++retries_;
      } else if (auto* end = std::get_if<EndProcess>(&action)) {
        ended_ = end->why;
      } else if (auto* gone = std::get_if<DeleteVersions>(&action)) {
        deleted_.insert(deleted_.end(), gone->keys.begin(), gone->keys.end());
      }
      for (auto& next : more) queue.push_back(std::move(next));
    }
  }

  void GrantTerm(uint64_t term, uint64_t parent, SessionId session = kSession) {
    Grant grant;
    grant.server = kServer;
    grant.session = session;
    grant.record = record_;
    grant.generation = generation_;
    grant.partitions = {{kP, Term(term), Term(parent)}};
    ServerActions actions;
    core_->OnScheduler(grant, now_, &actions);
    Do(std::move(actions));
  }
  void Push(uint64_t term, int64_t begin, int64_t sequence) {
    PushRange(term, begin, begin + 1, sequence);
  }
  void PushRange(uint64_t term, int64_t begin, int64_t end, int64_t sequence) {
    PushRequest push;
    push.job = record_->id;
    push.generation = generation_;
    push.stamp.worker = kWorker;
    push.sequence = sequence;
    push.server_session = kSession;
    push.begin = begin;
    push.end = end;
    push.ledger = ExpectedRow({0, 0}, begin, end);
    push.loss_sum = loss_;
    PushSegment& segment = push.segments.emplace_back();
    segment.partition = kP;
    segment.term = Term(term);
    segment.gradient = Payload::Of(std::vector<float>(2, 1.0f));
    ServerActions actions;
    core_->OnPush(1, std::move(push), now_, &actions);
    Do(std::move(actions));
  }
  void FinishUpdates() {
    hold_updates_ = false;
    Do(std::exchange(held_updates_, {}));
  }
  void Written(absl::Status status = absl::OkStatus()) {
    const VersionKey key = writes_.back().key;
    ServerActions actions;
    core_->OnVersionWritten(key, status, now_, &actions);
    Do(std::move(actions));
  }
  // What the server says of itself next.
  const ServerStatistics& Statistics() {
    now_ += absl::Seconds(1);
    ServerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
    return statistics_;
  }
  void Checkpoint() {
    ServerActions actions;
    core_->OnScheduler(CheckpointNow{record_->id}, now_, &actions);
    Do(std::move(actions));
  }
  void Rounds(int64_t closed, int64_t durable) {
    ServerActions actions;
    core_->OnScheduler(RoundStatus{record_->id, generation_, closed, durable},
                       now_, &actions);
    Do(std::move(actions));
  }
  Verdict LastVerdict() const {
    return push_replies_.back().segments[0].verdict;
  }
  int64_t DurableMark(const JobRegistration& registration) const {
    const std::string& bytes = registration.partitions[0].durable_marks;
    if (bytes.empty()) return 0;
    return MarkSet::Decode(record_->plan, bytes)->mark({0, 0});
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  bool hold_updates_ = false;  // They end in FinishUpdates.
  ServerActions held_updates_;
  double loss_ = 0;  // Of the next pushes.
  int64_t memory_ = int64_t{1} << 20;
  ServerStatistics statistics_;
  int64_t updates_at_report_ = 0;  // Told before the latest marks.
  Generation generation_{1};
  JobRecordPtr record_;
  std::unique_ptr<ServerCore> core_;
  std::vector<WriteVersion> writes_;
  std::vector<VersionKey> loads_, deleted_;
  std::vector<PushReply> push_replies_;
  std::vector<PullReply> pull_replies_;
  std::vector<JobRegistration> registrations_;
  int view_requests_ = 0;
  int alive_ = 0;
  int retries_ = 0;
  std::string ended_;
  std::vector<LogEvent> log_;
};

TEST_F(ServerCoreTest, ServesInitialValuesUnderAFirstGrant) {
  GrantTerm(5, 0);
  ASSERT_THAT(registrations_, SizeIs(1));
  EXPECT_TRUE(registrations_[0].partitions[0].serving);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
}

TEST_F(ServerCoreTest, SaysWhatItRefusesAndWhy) {
  memory_ = 128;  // The values, and those of one step.
  GrantTerm(5, 0);
  Push(5, 0, 0);  // The first version holds the values before.
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  Push(5, 1, 1);
  Push(5, 1, 2);
  EXPECT_EQ(LastVerdict(), Verdict::kBusy);
  EXPECT_EQ(Statistics().refused_pushes, 2);
  EXPECT_THAT(statistics_.refusal, HasSubstr("block"));
  EXPECT_EQ(statistics_.problem, "");
  // Each is told once.
  EXPECT_EQ(Statistics().refused_pushes, 0);
  core_->OnPushRefused(record_->id, "no room");
  EXPECT_EQ(Statistics().refused_pushes, 1);
  EXPECT_EQ(statistics_.refusal, "no room");
}

TEST_F(ServerCoreTest, RefusesAPartitionThatItHasNoRoomFor) {
  memory_ = 64;  // The values, and nothing for a step.
  GrantTerm(5, 0);
  EXPECT_THAT(registrations_, IsEmpty());
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  for (int i = 0; i < 3; ++i) {  // It tries again, and says the same.
    EXPECT_EQ(Statistics().problem_kind, ServerProblem::kMemory);
    EXPECT_THAT(statistics_.problem,
                AllOf(HasSubstr("no room for another partition of job"),
                      HasSubstr("raise --memory, or add servers")));
  }
  EXPECT_THAT(log_, SizeIs(1));
}

TEST_F(ServerCoreTest, ReportsLossesByEpochWhenTheyChange) {
  GrantTerm(5, 0);
  Push(5, 0, 0);
  ASSERT_THAT(Statistics().losses, SizeIs(1));
  EXPECT_EQ(statistics_.losses[0].epoch, 0);
  EXPECT_EQ(statistics_.losses[0].examples, 1);
  EXPECT_THAT(Statistics().losses, IsEmpty());
  Push(5, 1, 1);
  ASSERT_THAT(Statistics().losses, SizeIs(1));
  EXPECT_EQ(statistics_.losses[0].examples, 2);
  // A scheduler that was away hears all of it.
  ServerActions actions;
  core_->OnSchedulerDisconnected();
  core_->OnSchedulerConnected(now_, &actions);
  Do(std::move(actions));
  EXPECT_THAT(Statistics().losses, SizeIs(1));
}

// Bug: a job that was over before the next report had no losses or staleness.
TEST_F(ServerCoreTest, StatisticsOfAJobComeBeforeItsLastMarks) {
  GrantTerm(5, 0);
  PushRange(5, 0, 4, 0);
  statistics_ = {};
  now_ += absl::Milliseconds(60);  // Marks are reported, statistics not yet.
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(updates_at_report_, 1);
}

TEST_F(ServerCoreTest, ReportsTheLossOfTheLatestPushes) {
  GrantTerm(5, 0);
  loss_ = 2.5;
  Push(5, 0, 0);
  EXPECT_EQ(Statistics().loss_sum, 2.5);
  EXPECT_EQ(statistics_.loss_examples, 1);
  loss_ = 0.5;
  Push(5, 1, 1);
  EXPECT_EQ(Statistics().loss_sum, 3);
  EXPECT_EQ(statistics_.loss_examples, 2);
}

TEST(RecentLossTest, ForgetsWhatIsNotNeeded) {
  RecentLoss loss;
  loss.Add(1e18, 3, 4);
  loss.Add(2, 1, 4);
  EXPECT_EQ(loss.examples(), 4);
  loss.Add(3, 1, 4);  // 2 examples without the first: too few.
  EXPECT_EQ(loss.examples(), 5);
  loss.Add(4, 2, 4);
  EXPECT_EQ(loss.examples(), 4);
  EXPECT_EQ(loss.sum(), 2 + 3 + 4);
  loss.Add(7, 9, 4);  // More than enough by itself.
  EXPECT_EQ(loss.examples(), 9);
  EXPECT_EQ(loss.sum(), 7);
}

TEST_F(ServerCoreTest, AGrantForAnotherLifeOfTheServerIsVoid) {
  GrantTerm(5, 0, SessionId(10));
  EXPECT_THAT(registrations_, IsEmpty());
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
}

TEST_F(ServerCoreTest, ATermNotAboveAllSeenIsAnsweredWithWhatIsServed) {
  GrantTerm(5, 0);
  GrantTerm(4, 0);
  EXPECT_EQ(registrations_.back().partitions[0].term, Term(5));
  GrantTerm(5, 0);
  EXPECT_EQ(registrations_.back().partitions[0].term, Term(5));
}

TEST_F(ServerCoreTest, GoesOnFromMemoryOnlyFromExactlyTheParent) {
  GrantTerm(5, 0);
  Push(5, 0, 0);
  GrantTerm(6, 5);
  Push(6, 1, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);  // The mark is still 1.
  GrantTerm(9, 8);                              // Somebody else was the owner.
  Push(9, 2, 2);
  EXPECT_EQ(LastVerdict(), Verdict::kGap);  // Initial values again.
}

TEST_F(ServerCoreTest, APushOfAnOldTermIsRefused) {
  GrantTerm(5, 0);
  GrantTerm(6, 5);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  EXPECT_EQ(push_replies_.back().segments[0].term, Term(6));
}

// Bug: it was applied after what was applied had been registered, under a term
// that its worker did not know (seed 5350).
TEST_F(ServerCoreTest, AGrantWaitsForTheUpdateThatRuns) {
  GrantTerm(5, 0);
  hold_updates_ = true;
  Push(5, 0, 0);
  Push(5, 1, 1);
  GrantTerm(6, 5);
  EXPECT_EQ(registrations_.back().partitions[0].term, Term(5));
  FinishUpdates();
  const PartitionRegistration& now = registrations_.back().partitions[0];
  EXPECT_EQ(now.term, Term(6));
  EXPECT_EQ(MarkSet::Decode(record_->plan, now.marks)->mark({0, 0}), 1);
  ASSERT_THAT(push_replies_, SizeIs(2));
  EXPECT_EQ(push_replies_[0].segments[0].verdict, Verdict::kApplied);
  EXPECT_EQ(push_replies_[1].segments[0].verdict, Verdict::kWrongPlacement);
}

TEST_F(ServerCoreTest, WhatADeadWorkerLeftBehindAGapIsGivenUp) {
  GrantTerm(5, 0);
  Push(5, 0, 1);  // Number 0 was lost with its worker.
  EXPECT_THAT(push_replies_, IsEmpty());
  EXPECT_LE(core_->NextTick(), now_ + absl::Seconds(15));
  now_ += absl::Seconds(15);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(push_replies_, SizeIs(1));
  EXPECT_EQ(LastVerdict(), Verdict::kSuperseded);
}

TEST_F(ServerCoreTest, NothingIsDurableBeforeAVersionOfTheTermIsStored) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written();
  GrantTerm(6, 5);
  EXPECT_EQ(DurableMark(registrations_.back()), 0);
  Written();  // The first version of term 6.
  EXPECT_EQ(writes_.back().key.term, Term(6));
  EXPECT_EQ(DurableMark(registrations_.back()), 1);
}

TEST_F(ServerCoreTest, LoadsTheNewestVersionAndFallsBackWhenItIsDamaged) {
  Inventory inventory;
  inventory.jobs = {{record_, Generation(1), {}, {}}};
  const VersionKey older{record_->id, Generation(1), kP, Term(3), 4};
  const VersionKey newest{record_->id, Generation(1), kP, Term(5), 0};
  inventory.versions = {older, newest};
  Restart(inventory);
  GrantTerm(8, 5);
  ASSERT_THAT(loads_, SizeIs(1));
  EXPECT_EQ(loads_[0], newest);
  for (const VersionKey& key : {newest, older}) {
    EXPECT_THAT(registrations_, IsEmpty());
    ServerActions actions;
    core_->OnLoaded(key, absl::DataLossError("checksum"), now_, &actions);
    Do(std::move(actions));
  }
  ASSERT_THAT(registrations_, SizeIs(1));  // Initial values.
  EXPECT_EQ(loads_[1], older);
}

TEST_F(ServerCoreTest, AVersionThatCannotBeLoadedNowIsWaitedFor) {
  Inventory inventory;
  inventory.jobs = {{record_, Generation(1), {}, {}}};
  const VersionKey stored{record_->id, Generation(1), kP, Term(5), 0};
  inventory.versions = {stored};
  Restart(inventory);
  GrantTerm(8, 5);
  for (size_t i = 1; i <= 3; ++i) {
    ASSERT_THAT(loads_, SizeIs(i));
    EXPECT_EQ(loads_.back(), stored);
    ServerActions actions;
    core_->OnLoaded(stored,
                    i == 1   ? absl::ResourceExhaustedError("memory")
                    : i == 2 ? absl::PermissionDeniedError("mode")
                             : absl::UnavailableError("store"),
                    now_, &actions);
    Do(std::move(actions));
    EXPECT_THAT(registrations_, IsEmpty());
    EXPECT_LE(core_->NextTick(), now_ + absl::Seconds(1));
    now_ += absl::Seconds(1);
    actions.clear();
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  }
}

TEST_F(ServerCoreTest, AFailedWriteIsTriedAgainAndLosesNothing) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(writes_, SizeIs(2));
  now_ += absl::Seconds(2);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(writes_, SizeIs(3));
  EXPECT_EQ(MarkSet::Decode(record_->plan, writes_[2].cut.marks)->mark({0, 0}),
            1);
}

TEST_F(ServerCoreTest, OldVersionsGoOnlyAfterANewerOneIsDurable) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  EXPECT_THAT(deleted_, IsEmpty());
  Written();
  ASSERT_THAT(deleted_, SizeIs(1));
  EXPECT_EQ(deleted_[0].sequence, 0);
}

// An operator who looks at versions can roll back to what he saw.
TEST_F(ServerCoreTest, WhatIsLookedAtIsKeptForAWhile) {
  GrantTerm(5, 0);
  Written();
  const auto kept = core_->KeepVersions(record_->id, now_ + absl::Seconds(5));
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].key, writes_[0].key);
  Push(5, 0, 0);
  Checkpoint();
  Written();
  EXPECT_THAT(deleted_, IsEmpty());
  now_ += absl::Seconds(5);
  Push(5, 1, 1);
  Checkpoint();
  Written();
  EXPECT_THAT(deleted_, SizeIs(2));
  EXPECT_THAT(core_->KeepVersions(JobId(9), now_), IsEmpty());
}

TEST_F(ServerCoreTest, APartitionDroppedBeforeItsCutIsWrittenAgain) {
  GrantTerm(5, 0);
  Written();
  hold_updates_ = true;
  Push(5, 0, 0);
  GrantTerm(6, 5);  // A version of term 6 is wanted, after the update.
  EXPECT_THAT(writes_, SizeIs(1));
  generation_ = Generation(2);
  GrantTerm(9, 0);  // Initial values again.
  ASSERT_THAT(writes_, SizeIs(2));
  EXPECT_EQ(writes_[1].key.term, Term(9));
}

TEST_F(ServerCoreTest, ANewGenerationKnowsNothingOfClosedRounds) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.consistency.kind = ConsistencyKind::kRounds;
  record->plan.consistency.round_items = 1;
  record_ = record;
  GrantTerm(5, 0);
  Rounds(1, 1);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kClosed);
  generation_ = Generation(2);
  GrantTerm(6, 5);
  Push(6, 0, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
}

// Bug: the rounds rolled on for ever; nobody had the value that was missing.
TEST_F(ServerCoreTest, SaysThatAValueWhichIsNeededAgainIsGone) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.epochs = 2;
  record->plan.batch_by_epoch = {4};
  record->plan.consistency.kind = ConsistencyKind::kRounds;
  record->plan.consistency.round_items = 1;
  record_ = record;
  GrantTerm(5, 0);
  Written();
  PushRange(5, 0, 4, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  Checkpoint();
  Written();
  Rounds(1, 1);
  const size_t before = registrations_.size();
  Rounds(0, 0);  // Another partition came back with less.
  ASSERT_THAT(registrations_, SizeIs(before + 1));
  const PartitionRegistration& one = registrations_.back().partitions[0];
  EXPECT_EQ(one.oldest_round, 1);
  ASSERT_THAT(one.stored, SizeIs(1));
  EXPECT_EQ(one.stored[0].key, writes_.back().key);
  EXPECT_EQ(one.stored[0].rounds, (RoundSpan{0, 1}));
}

// Bug: each answer, and each other pull, made every waiting pull ask again.
TEST_F(ServerCoreTest, AsksForAViewOnceHoweverManyPullsWait) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.consistency.kind = ConsistencyKind::kSsp;
  record_ = record;
  GrantTerm(5, 0);
  const auto pull = [&](uint64_t worker, uint64_t joined) {
    PullRequest request;
    request.job = record_->id;
    request.generation = generation_;
    request.stamp = {SessionId(worker), ViewNumber(joined), 0};
    request.segments = {{kP, Term(5)}};
    ServerActions actions;
    core_->OnPull(worker, std::move(request), now_, &actions);
    Do(std::move(actions));
  };
  pull(31, 9);
  pull(32, 9);
  pull(33, 8);
  EXPECT_EQ(view_requests_, 1);
  ServerActions actions;
  core_->OnScheduler(ViewUpdate{record_->id, generation_, ViewNumber(7), {}},
                     now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(view_requests_, 1);  // An older one is no answer; nor a reason.
  pull(34, 10);
  EXPECT_EQ(view_requests_, 2);
  now_ += absl::Seconds(1);
  pull(31, 9);
  EXPECT_EQ(view_requests_, 3);
  EXPECT_THAT(pull_replies_, SizeIs(1));  // The pull that 31 replaced.
}

TEST_F(ServerCoreTest, AnIdlePartitionWritesNoVersion) {
  GrantTerm(5, 0);
  Written();
  Checkpoint();
  EXPECT_THAT(writes_, SizeIs(1));
}

TEST_F(ServerCoreTest, DrainingSavesEverythingAndThenSaysGoodbye) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  ServerActions actions;
  core_->Drain(now_, &actions);
  Do(std::move(actions));
  EXPECT_FALSE(core_->Drained());
  Push(5, 1, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  Written();
  EXPECT_TRUE(core_->Drained());
}

TEST_F(ServerCoreTest, OneThatServesNothingSaysThatItIsThere) {
  const auto tick = [&] {
    now_ += absl::Seconds(1);
    ServerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  };
  tick();
  tick();
  EXPECT_EQ(alive_, 2);
  GrantTerm(5, 0);
  tick();
  EXPECT_EQ(alive_, 2);  // Statistics say it.
}

TEST_F(ServerCoreTest, OneThatIsRefusedSaysSoLoudlyAndTriesAgain) {
  const auto refuse = [&](const std::string& why) {
    ServerActions actions;
    core_->OnScheduler(RefuseServer{false, why}, now_, &actions);
    Do(std::move(actions));
  };
  refuse("process 55 is there");
  refuse("process 55 is there");
  EXPECT_EQ(retries_, 2);
  ASSERT_THAT(log_, SizeIs(1));
  EXPECT_THAT(log_[0].text, HasSubstr("process 55 is there. Trying again"));
  EXPECT_TRUE(log_[0].warning);
  refuse("process 56 is there");
  EXPECT_THAT(log_, SizeIs(2));
  now_ += absl::Minutes(1);
  refuse("process 56 is there");
  EXPECT_THAT(log_, SizeIs(3));
  EXPECT_EQ(ended_, "");
}

TEST_F(ServerCoreTest, OneWhosePlaceWasTakenEnds) {
  ServerActions actions;
  core_->OnScheduler(RefuseServer{true, "process 55 has it"}, now_, &actions);
  Do(std::move(actions));
  EXPECT_EQ(ended_, "process 55 has it");
  EXPECT_EQ(retries_, 0);
}

TEST_F(ServerCoreTest, SaysWhichVersionAPartitionGoesOnFrom) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written();
  GrantTerm(9, 8);  // Somebody else was the owner.
  ASSERT_THAT(loads_, SizeIs(1));
  EXPECT_THAT(log_, IsEmpty());
  ServerActions actions;
  core_->OnLoaded(loads_[0], std::move(writes_.back().cut), now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(log_, SizeIs(1));
  EXPECT_THAT(log_[0].text,
              HasSubstr("partition 0 goes on from version (5, 1) of "));
  EXPECT_THAT(log_[0].text, HasSubstr(": 1 examples"));
}

// Bug: a disk that came back empty was nobody's business.
TEST_F(ServerCoreTest, SaysThatAPartitionOfBeforeBeginsAgain) {
  GrantTerm(5, 0);
  EXPECT_THAT(log_, IsEmpty());  // A first time is nothing to speak of.
  Restart({});
  GrantTerm(6, 5);
  ASSERT_THAT(log_, SizeIs(1));
  EXPECT_THAT(log_[0].text, HasSubstr("partition 0 was served before, but has "
                                      "no version here"));
  EXPECT_TRUE(log_[0].warning);
}

}  // namespace
}  // namespace ebb::server

#include "client/training_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr SessionId kMe(9);
constexpr ServerId kA(0), kB(1);

// One partition on each of two servers; one epoch of 3 items of 2 examples in
// batches of 1.
class TrainingCoreTest : public testing::Test {
 protected:
  explicit TrainingCoreTest(ClientOptions options = {.session = kMe})
      : core_(std::move(options)) {
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(7);
    record->plan.examples = 6;
    record->plan.shard_size = 2;
    record->plan.parameters = 4;
    record->plan.block_floats = 2;
    record->plan.partitions = 2;
    record_ = record;
  }

  void UseEvaluations() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.evaluate_every = 1;
    record_ = record;
  }
  void Use(ConsistencyPlan consistency) {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.consistency = consistency;
    record_ = record;
  }

  // Keeps what the event asks for; what earlier events asked for is gone.
  template <typename Event>
  void On(Event event) {
    ClientActions actions;
    event(&actions);
    pushes_.clear();
    pulls_.clear();
    sent_.clear();
    computes_.clear();
    for (ClientAction& action : actions) {
      if (auto* push = std::get_if<SendPush>(&action)) {
        pushes_.push_back(std::move(*push));
      } else if (auto* pull = std::get_if<SendPull>(&action)) {
        pulls_.push_back(*pull);
        open_pulls_.push_back(std::move(*pull));
      } else if (auto* send = std::get_if<SendScheduler>(&action)) {
        sent_.push_back(std::move(send->message));
      } else if (auto* compute = std::get_if<Compute>(&action)) {
        computes_.push_back(compute->task);
      } else if (auto* expect = std::get_if<Expect>(&action)) {
        expected_.push_back(std::move(expect->values));
      } else if (std::holds_alternative<Evaluate>(action)) {
        ++evaluates_;
      }
    }
  }
  void Connect() {
    On([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
  }
  void FromScheduler(SchedulerToWorker message) {
    On([&](auto* out) { core_.OnScheduler(std::move(message), now_, out); });
  }
  void Tick(absl::Duration later) {
    now_ += later;
    On([&](auto* out) { core_.OnTick(now_, out); });
  }
  Lease LeaseOf(int32_t shard, uint64_t generation = 1) const {
    Lease lease;
    lease.record = record_;
    lease.generation = Generation(generation);
    lease.item = {0, shard};
    lease.ttl = absl::Seconds(3);
    return lease;
  }
  static EvaluationLease EvaluationOf(const JobRecordPtr& record) {
    EvaluationLease lease;
    lease.record = record;
    lease.generation = Generation(1);
    lease.snapshot = 50;
    return lease;
  }
  Placement PlacementOf(uint64_t term, uint64_t generation = 1) const {
    Placement placement;
    placement.job = record_->id;
    placement.generation = Generation(generation);
    for (const ServerId server : {kA, kB}) {
      placement.partitions.push_back({PartitionId(server.value()), server,
                                      SessionId(100 + server.value()),
                                      Term(term)});
      placement.servers.push_back({server, "here"});
    }
    return placement;
  }
  // Leased, prepared and placed: it pulls.
  void Begin(Lease lease) {
    Connect();
    FromScheduler(std::move(lease));
    On([&](auto* out) {
      core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
    });
    FromScheduler(PlacementOf(5));
  }
  void Answer(const SendPull& pull, PullResult result = PullResult::kValues,
              int64_t view_clock = 0) {
    PullReply reply;
    reply.view_clock = view_clock;
    reply.job = record_->id;
    reply.generation = pull.request.generation;
    reply.worker = kMe;
    for (const PullSegmentRequest& segment : pull.request.segments) {
      PullSegment& one = reply.segments.emplace_back();
      one.partition = segment.partition;
      one.term = segment.term;
      one.result = result;
    }
    On([&](auto* out) { core_.OnPullReply(pull.id, reply, now_, out); });
  }
  // Answers every pull so far, and those that follow.
  void AnswerPulls() {
    while (!open_pulls_.empty()) {
      const std::vector<SendPull> pulls = std::exchange(open_pulls_, {});
      std::vector<ComputeTask> computes = std::exchange(computes_, {});
      for (const SendPull& pull : pulls) {
        Answer(pull);
        computes.insert(computes.end(), computes_.begin(), computes_.end());
      }
      computes_ = std::move(computes);
    }
  }
  void Computed() {
    ComputeResult result;
    result.gradient = Payload::Of(std::vector<float>(4, 1.0f));
    On([&](auto* out) { core_.OnComputed(std::move(result), now_, out); });
  }
  // As a filter that keeps values makes it, for some of the partitions.
  void Filtered(bool leaves, const std::vector<bool>& there) {
    ComputeResult result;
    result.gradient = Payload::Of(std::vector<float>(4, 1.0f));
    result.leaves = leaves;
    for (const bool one : there) {
      result.filtered.emplace_back();
      if (!one) continue;
      result.filtered.back() = FilteredGradient{
          Encoding::kSparse, Payload::Of(std::vector<char>(8))};
    }
    On([&](auto* out) { core_.OnComputed(std::move(result), now_, out); });
  }
  void UseTopK() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.shard_size = 3;
    record->plan.filters.push = {.kind = FilterKind::kTopK, .share = 0.5};
    record->plan.filters.pull = {FilterKind::kInt8};
    record_ = record;
  }
  void Answer(const SendPush& push, Verdict verdict, int64_t mark,
              uint64_t term = 5, uint64_t generation = 1) {
    PushReply reply;
    reply.job = record_->id;
    reply.generation = Generation(generation);
    reply.worker = kMe;
    reply.item = push.request.item;
    for (const PushSegment& segment : push.request.segments) {
      reply.segments.push_back({segment.partition, verdict, mark, Term(term)});
    }
    On([&](auto* out) { core_.OnPushReply(push.id, reply, now_, out); });
  }
  // The first batch is on its way, as first_ to the servers; the second is
  // being computed.
  void PushFirst() {
    AnswerPulls();
    Computed();
    first_ = pushes_;
  }

  template <typename Message>
  std::vector<Message> Sent() const {
    std::vector<Message> found;
    for (const WorkerToScheduler& message : sent_) {
      if (auto* one = std::get_if<Message>(&message)) found.push_back(*one);
    }
    return found;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  JobRecordPtr record_;
  TrainingCore core_;
  std::vector<SendPush> pushes_, first_;
  std::vector<SendPull> pulls_, open_pulls_;
  std::vector<WorkerToScheduler> sent_;
  std::vector<ComputeTask> computes_;
  std::vector<PulledValuesPtr> expected_;  // All so far.
  int evaluates_ = 0;
};

TEST_F(TrainingCoreTest, PullsFromAllComputesAndPushesToAll) {
  Begin(LeaseOf(0));
  EXPECT_THAT(pulls_, SizeIs(2));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
  EXPECT_EQ(computes_[0].end, 1);
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  for (const SendPush& push : pushes_) {
    EXPECT_EQ(push.request.begin, 0);
    EXPECT_EQ(push.request.sequence, 0);
    EXPECT_EQ(push.request.segments[0].gradient.size(), 8);
  }
}

TEST_F(TrainingCoreTest, WhoComputesIsToldOfTheNextValuesOnce) {
  Begin(LeaseOf(0));
  const auto first = std::exchange(open_pulls_, {});
  for (const SendPull& pull : first) Answer(pull);
  EXPECT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(expected_, IsEmpty()) << "they are on their way";
  AnswerPulls();
  ASSERT_THAT(expected_, SizeIs(1));
  Tick(absl::Milliseconds(150));
  EXPECT_THAT(expected_, SizeIs(1));

  Computed();

  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 1);
  EXPECT_EQ(computes_[0].values, expected_[0]);
  Tick(absl::Milliseconds(150));
  EXPECT_THAT(expected_, SizeIs(1)) << "no batch comes after it";
}

// Which go on from what the batch under way makes of them.
TEST_F(TrainingCoreTest, OfTheValuesOfALocalRuleNothingIsTold) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.algorithm.worker_vectors = 1;
  record_ = record;
  Begin(LeaseOf(0));
  AnswerPulls();
  EXPECT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(expected_, IsEmpty());
}

TEST_F(TrainingCoreTest, AGapStepsBackToTheMarkOfThatPartitionAlone) {
  Lease lease = LeaseOf(0);
  lease.hints = {1, 1};  // Wrong: the second server has nothing.
  Begin(std::move(lease));
  PushFirst();
  ASSERT_THAT(first_, SizeIs(2));
  Answer(first_[0], Verdict::kApplied, 2);
  Answer(first_[1], Verdict::kGap, 0);
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
  Computed();
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, kB);
  EXPECT_EQ(pushes_[0].request.sequence, 1);
}

TEST_F(TrainingCoreTest, ABrokenStreamBeginsANewIncarnation) {
  Begin(LeaseOf(0));
  PushFirst();
  On([&](auto* out) { core_.OnPushFailed(first_[1].id, now_, out); });
  Answer(first_[0], Verdict::kApplied, 1);
  Computed();  // The second: the first server alone is there.
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, kA);
  Tick(absl::Seconds(1));
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 0);
  EXPECT_EQ(pushes_[0].id.server, kB);
  EXPECT_EQ(pushes_[0].request.incarnation, first_[1].request.incarnation + 1);
  EXPECT_EQ(pushes_[0].request.sequence, 0);
}

// B refused the first batch for want of room; computed again, it is on its way
// as push_, with the second behind it.
class ShortOfRoomTest : public TrainingCoreTest {
 protected:
  void SetUp() override {
    Begin(LeaseOf(0));
    PushFirst();
    Answer(first_[0], Verdict::kApplied, 1);
    Answer(first_[1], Verdict::kBusy, 0);
    Computed();  // The second, which A takes.
    ASSERT_THAT(pushes_, SizeIs(1));
    Answer(pushes_[0], Verdict::kApplied, 2);
    Tick(absl::Seconds(1));
    AnswerPulls();
    Computed();
    ASSERT_THAT(pushes_, SizeIs(1));
    push_ = pushes_[0];
    AnswerPulls();
    Computed();
    // One at a time, until it takes one.
    ASSERT_THAT(pushes_, IsEmpty());
  }

  SendPush push_;
};

TEST_F(ShortOfRoomTest, WhatItRefusesIsSentAgainAndNotComputed) {
  Answer(push_, Verdict::kBusy, 0);
  EXPECT_THAT(pushes_, IsEmpty());  // Not at once.
  Tick(absl::Seconds(1));
  EXPECT_THAT(pulls_, IsEmpty());
  EXPECT_THAT(computes_, IsEmpty());
  ASSERT_THAT(pushes_, SizeIs(1));
  const PushRequest again = pushes_[0].request;
  EXPECT_EQ(again.begin, 0);
  EXPECT_EQ(again.incarnation, push_.request.incarnation + 1);
  EXPECT_EQ(again.sequence, 0);
  EXPECT_EQ(again.segments[0].gradient.size(), 8);

  Answer(pushes_[0], Verdict::kApplied, 1);
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 1);
  EXPECT_EQ(pushes_[0].request.incarnation, again.incarnation);
  EXPECT_EQ(pushes_[0].request.sequence, 1);
  Answer(pushes_[0], Verdict::kApplied, 2);
  EXPECT_THAT(Sent<ItemEnd>(), SizeIs(1));
}

TEST_F(ShortOfRoomTest, ACallThatItHasNoRoomForIsMadeAgain) {
  On([&](auto* out) { core_.OnPushRefused(push_.id, now_, out); });
  EXPECT_THAT(pushes_, IsEmpty());
  Tick(absl::Seconds(1));
  EXPECT_THAT(computes_, IsEmpty());
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 0);
  // It had it.
  Answer(pushes_[0], Verdict::kDuplicate, 1);
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 1);
}

TEST_F(ShortOfRoomTest, AnswersToWhatIsSentAgainSayNothing) {
  Answer(push_, Verdict::kBusy, 0);
  Tick(absl::Seconds(1));
  Answer(push_, Verdict::kApplied, 1);
  EXPECT_THAT(pushes_, IsEmpty());
}

TEST_F(ShortOfRoomTest, WhatALostItemHadOnItsWayIsNotSentAgain) {
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  Answer(push_, Verdict::kBusy, 0);
  Tick(absl::Seconds(1));
  EXPECT_THAT(pushes_, IsEmpty());
}

TEST_F(ShortOfRoomTest, WhatIsToBePassedOverSinceIsPassedOver) {
  Lease lease = LeaseOf(0);
  lease.skipped = {{{0, 0}, 0, 1}};
  FromScheduler(lease);
  Answer(push_, Verdict::kBusy, 0);
  Tick(absl::Seconds(1));
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].request.begin, 0);
  EXPECT_TRUE(pushes_[0].request.skip);
}

TEST_F(ShortOfRoomTest, WhoLeavesDoesNotWaitForIt) {
  On([&](auto* out) { core_.Drain(now_, out); });
  Answer(push_, Verdict::kBusy, 0);
  EXPECT_THAT(Sent<ItemEnd>(), SizeIs(1));
}

TEST_F(TrainingCoreTest, ANewTermStepsBackAndOldRepliesSayNothing) {
  Begin(LeaseOf(0));
  PushFirst();
  FromScheduler(PlacementOf(6));
  Answer(first_[0], Verdict::kApplied, 1);
  Answer(first_[1], Verdict::kApplied, 1);
  Computed();  // The second, which nobody is ready for now.
  EXPECT_THAT(pushes_, IsEmpty());
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  EXPECT_EQ(pushes_[0].request.begin, 0);  // Nothing of term 5 is believed.
  EXPECT_EQ(pushes_[0].request.segments[0].term, Term(6));
}

// Bug: it was pushed as it had been computed, and passed over elsewhere.
TEST_F(TrainingCoreTest, ABatchThatIsToBeSkippedMeanwhileIsPassedOver) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  Lease lease = LeaseOf(0);
  lease.skipped = {{lease.item, 0, 1}};
  FromScheduler(std::move(lease));
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  for (const SendPush& push : pushes_) {
    EXPECT_EQ(push.request.begin, 0);
    EXPECT_TRUE(push.request.skip);
  }
}

TEST_F(TrainingCoreTest, ARefusalForPlacementAsksTheScheduler) {
  Begin(LeaseOf(0));
  PushFirst();
  now_ += absl::Seconds(1);
  Answer(first_[0], Verdict::kWrongPlacement, 0, 8);
  EXPECT_THAT(Sent<PlacementRequest>(), SizeIs(1));
}

TEST_F(TrainingCoreTest, ANewerGenerationDropsWhatIsHeldOfTheOlder) {
  Begin(LeaseOf(0));
  PushFirst();
  Answer(first_[0], Verdict::kWrongGeneration, 0, 5, 2);
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kReturned);
  EXPECT_THAT(core_.held(record_->id), IsEmpty());
}

// Bug: what a server refuses as of another generation it does not count, and
// held the worker's next pushes until it gave the missing one up.
TEST_F(TrainingCoreTest, ANewGenerationBeginsANewSequenceOfPushes) {
  Begin(LeaseOf(0));
  PushFirst();
  EXPECT_EQ(first_[0].request.incarnation, 0);
  FromScheduler(LeaseOf(0, 2));
  FromScheduler(PlacementOf(6, 2));
  Computed();  // Of the generation before.
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  for (const SendPush& push : pushes_) {
    EXPECT_EQ(push.request.generation, Generation(2));
    EXPECT_GT(push.request.incarnation, 0);
    EXPECT_EQ(push.request.sequence, 0);
  }
}

TEST_F(TrainingCoreTest, ARefusalByAnOlderGenerationBeginsANewSequenceToo) {
  Begin(LeaseOf(0));
  PushFirst();
  Answer(first_[1], Verdict::kApplied, 1);
  Answer(first_[0], Verdict::kWrongGeneration, 0, 0, 0);
  FromScheduler(PlacementOf(6));
  Computed();
  AnswerPulls();
  Computed();
  ASSERT_FALSE(pushes_.empty());
  EXPECT_EQ(pushes_[0].id.server, kA);
  EXPECT_GT(pushes_[0].request.incarnation, 0);
  EXPECT_EQ(pushes_[0].request.sequence, 0);
}

// Bug: who had heard of a rollback that the scheduler and all servers lost
// handed back every lease of the generation that they went on with.
TEST_F(TrainingCoreTest, FollowsASchedulerThatForgotTheNewestGeneration) {
  Begin(LeaseOf(0));
  FromScheduler(PlacementOf(6, 2));
  FromScheduler(LeaseOf(1));
  FromScheduler(PlacementOf(7));
  EXPECT_THAT(Sent<ItemEnd>(), IsEmpty());
  EXPECT_THAT(core_.held(record_->id), ElementsAre(ItemId{0, 1}));
  AnswerPulls();
  Computed();
  ASSERT_THAT(pushes_, SizeIs(2));
  EXPECT_EQ(pushes_[0].request.generation, Generation(1));
}

TEST_F(TrainingCoreTest, WhoLeavesSaysThatItTakesNothingMore) {
  Begin(LeaseOf(0));
  On([&](auto* out) { core_.Drain(now_, out); });
  ASSERT_THAT(Sent<LeaseRequest>(), SizeIs(1));
  EXPECT_EQ(Sent<LeaseRequest>()[0].items, 0);
  On([&](auto* out) { core_.Drain(now_, out); });
  EXPECT_THAT(Sent<LeaseRequest>(), IsEmpty());  // It said so.
  // A scheduler that comes back has not heard it.
  core_.OnSchedulerDisconnected();
  Connect();
  ASSERT_THAT(Sent<LeaseRequest>(), SizeIs(1));
  EXPECT_EQ(Sent<LeaseRequest>()[0].items, 0);
}

TEST_F(TrainingCoreTest, PullsForBatchesAskForTheJobsEncoding) {
  UseTopK();
  Begin(LeaseOf(0));
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.encoding, Encoding::kInt8);
}

TEST_F(TrainingCoreTest, PushesWhatTheFilterMade) {
  UseTopK();
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(computes_[0].due, ElementsAre(true, true));
  Filtered(true, {true, true});
  ASSERT_THAT(pushes_, SizeIs(2));
  EXPECT_EQ(pushes_[0].request.segments[0].encoding, Encoding::kSparse);
  EXPECT_EQ(pushes_[0].request.segments[0].gradient.size(), 8);
}

// Else what it had left over there would be counted twice, or not at all.
TEST_F(TrainingCoreTest, APartitionThatTheFilterDidNotServeGetsTheBatchLater) {
  UseTopK();
  Begin(LeaseOf(0));
  AnswerPulls();
  Filtered(true, {true, false});
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, kA);
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
  EXPECT_THAT(computes_[0].due, ElementsAre(false, true));
}

TEST_F(TrainingCoreTest, WhoLeavesFirstSendsWhatIsLeftOver) {
  UseTopK();
  Begin(LeaseOf(0));
  const std::vector<SendPull> first = std::exchange(open_pulls_, {});
  for (const SendPull& pull : first) Answer(pull);
  Filtered(true, {true, true});
  const std::vector<SendPush> pushes = pushes_;
  On([&](auto* out) { core_.Drain(now_, out); });
  for (const SendPush& push : pushes) Answer(push, Verdict::kApplied, 1);
  EXPECT_FALSE(core_.Drained());
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 1);
  Filtered(false, {true, true});
  const std::vector<SendPush> last = pushes_;
  EXPECT_THAT(computes_, IsEmpty());
  for (const SendPush& push : last) Answer(push, Verdict::kApplied, 2);
  EXPECT_TRUE(core_.Drained());
}

TEST_F(TrainingCoreTest, AClosedRoundEndsItsLease) {
  Use({.kind = ConsistencyKind::kRounds, .round_items = 1});
  Begin(LeaseOf(0));
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.round, 0);
  Answer(SendPull(pulls_[0]), PullResult::kClosed);
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kRefused);
}

TEST_F(TrainingCoreTest, WaitsForAServerThatDoesNotAnswerBeforeItComputes) {
  Use({.kind = ConsistencyKind::kRounds, .round_items = 1});
  Begin(LeaseOf(0));  // The round's values serve every batch of it.
  PushFirst();
  ASSERT_THAT(first_, SizeIs(2));
  Answer(first_[0], Verdict::kApplied, 1);
  On([&](auto* out) { core_.OnPushFailed(first_[1].id, now_, out); });
  Computed();  // The second.
  EXPECT_THAT(computes_, IsEmpty());
  EXPECT_LE(core_.NextTick(), now_ + absl::Milliseconds(20));
  Tick(absl::Milliseconds(20));
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
}

TEST_F(TrainingCoreTest, AWorkerOutsideTheViewSaysSo) {
  Use({.kind = ConsistencyKind::kSsp, .clock_bound = 1});
  Lease lease = LeaseOf(0);
  lease.joined = ViewNumber(3);
  Begin(lease);
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.stamp.joined, ViewNumber(3));
  Answer(SendPull(pulls_[0]), PullResult::kNotInView, 11);
  ASSERT_THAT(Sent<Progress>(), SizeIs(1));
  EXPECT_TRUE(Sent<Progress>()[0].not_in_view);
  EXPECT_EQ(Sent<Progress>()[0].view_clock, 11);
  lease.joined = ViewNumber(4);
  lease.start_clock = 12;
  FromScheduler(lease);
  EXPECT_EQ(core_.clock(record_->id), 12);
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.stamp.joined, ViewNumber(4));
  EXPECT_EQ(pulls_[0].request.target_clock, 12);
}

// It would hold everybody up at the clock that it has not.
TEST_F(TrainingCoreTest, ASchedulerThatIsBackHearsWhetherItIsInAView) {
  Use({.kind = ConsistencyKind::kSsp, .clock_bound = 1});
  Lease lease = LeaseOf(0);
  Begin(lease);
  Connect();
  ASSERT_THAT(Sent<RegisterWorker>(), SizeIs(1));
  EXPECT_EQ(Sent<RegisterWorker>()[0].clock, -1);
  lease.joined = ViewNumber(4);
  lease.start_clock = 12;
  FromScheduler(lease);
  Connect();
  ASSERT_THAT(Sent<RegisterWorker>(), SizeIs(1));
  EXPECT_EQ(Sent<RegisterWorker>()[0].clock, 12);
}

TEST_F(TrainingCoreTest, WhatWasPulledGoesWithTheLastLease) {
  Begin(LeaseOf(0));
  AnswerPulls();  // The first batch computes; the next values are there too.
  ASSERT_THAT(computes_, SizeIs(1));
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  Computed();
  EXPECT_THAT(pushes_, IsEmpty());
  FromScheduler(LeaseOf(1));
  EXPECT_THAT(computes_, IsEmpty());
  EXPECT_THAT(pulls_, SizeIs(2));
}

TEST_F(TrainingCoreTest, AnEvaluationWaitsForTheOneItReplaced) {
  Begin(LeaseOf(0));
  EvaluationLease lease = EvaluationOf(record_);
  pulls_.clear();
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  FromScheduler(lease);
  AnswerPulls();
  EXPECT_EQ(evaluates_, 1);
  lease.snapshot = 51;  // The scheduler lost its patience.
  FromScheduler(lease);
  AnswerPulls();
  EXPECT_EQ(evaluates_, 1);
  EvaluationResult result;
  result.examples = 1;
  On([&](auto* out) { core_.OnEvaluated(result, now_, out); });
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());  // It was of snapshot 50.
  EXPECT_EQ(evaluates_, 2);
  On([&](auto* out) { core_.OnEvaluated(result, now_, out); });
  ASSERT_THAT(Sent<EvaluationResult>(), SizeIs(1));
  EXPECT_EQ(Sent<EvaluationResult>()[0].snapshot, 51);
}

// Bug: a worker remembered every job that it ever had an item of.
TEST_F(TrainingCoreTest, ForgetsJobsThatItHasNothingOf) {
  Begin(LeaseOf(0));
  PushFirst();
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  for (const SendPush& push : first_) Answer(push, Verdict::kApplied, 1);
  Computed();
  const JobRecordPtr first = record_;
  for (uint64_t id = 100; id < 200; ++id) {
    auto record = std::make_shared<JobRecord>(*first);
    record->id = JobId(id);
    record_ = record;
    FromScheduler(LeaseOf(0));
    On([&](auto* out) {
      core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
    });
    FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  }
  EXPECT_LE(core_.jobs(), 16);
  // The first again: no server takes its pushes for those of before.
  record_ = first;
  open_pulls_.clear();
  Begin(LeaseOf(1));
  PushFirst();
  ASSERT_THAT(first_, SizeIs(2));
  EXPECT_GT(first_[0].request.incarnation, 0);
}

TEST_F(TrainingCoreTest, RemembersTheJobsThatItHoldsItemsOf) {
  Begin(LeaseOf(0));
  const JobId first = record_->id;
  for (uint64_t id = 100; id < 200; ++id) {
    auto record = std::make_shared<JobRecord>(*record_);
    record->id = JobId(id);
    record_ = record;
    FromScheduler(LeaseOf(0));
  }
  EXPECT_THAT(core_.held(first), SizeIs(1));
  EXPECT_EQ(core_.jobs(), 101);
}

// Memory for the least that the job needs: three times its 16 bytes, and an
// eighth.
class LittleMemoryTest : public TrainingCoreTest {
 protected:
  LittleMemoryTest()
      : TrainingCoreTest({.session = kMe, .memory_bytes = kProgramBytes + 54}) {
  }
};

TEST_F(LittleMemoryTest, HasOneBatchUnderWayAndPullsNoneBeside) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_THAT(open_pulls_, IsEmpty());

  PushFirst();
  AnswerPulls();
  EXPECT_THAT(computes_, IsEmpty());
  Answer(first_[0], Verdict::kApplied, 1);
  EXPECT_THAT(computes_, IsEmpty());
  Answer(first_[1], Verdict::kApplied, 1);
  EXPECT_THAT(computes_, SizeIs(1));
}

TEST_F(LittleMemoryTest, EvaluatesWhileItHoldsNoValuesForABatch) {
  UseEvaluations();
  Begin(LeaseOf(0));
  AnswerPulls();
  FromScheduler(EvaluationOf(record_));
  EXPECT_THAT(open_pulls_, IsEmpty());

  Computed();
  ASSERT_THAT(open_pulls_, SizeIs(2));
  for (const SendPull& pull : open_pulls_) {
    EXPECT_EQ(pull.request.snapshot, 50);
  }
  AnswerPulls();
  EXPECT_EQ(evaluates_, 1);
  On([&](auto* out) { core_.OnEvaluated(EvaluationResult(), now_, out); });
  ASSERT_THAT(pulls_, SizeIs(2));
  EXPECT_EQ(pulls_[0].request.snapshot, 0);
}

TEST_F(LittleMemoryTest, ReturnsTheItemsOfAJobThatDoesNotFit) {
  Connect();
  FromScheduler(LeaseOf(0));
  On([&](auto* out) {
    core_.set_held_bytes(1);
    core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
  });
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kFailed);
  EXPECT_THAT(Sent<ItemEnd>()[0].error,
              HasSubstr("does not fit into this worker's --memory"));
  // A later one is tried: of another job's data there may be less by then.
  FromScheduler(LeaseOf(1));
  On([&](auto* out) {
    core_.set_held_bytes(0);
    core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
  });
  EXPECT_THAT(core_.held(record_->id), SizeIs(1));
}

// Bug: a worker whose data could not be fetched for a minute was never asked
// about that job again.
TEST_F(TrainingCoreTest, LoadsAgainWhatWasUnavailable) {
  Connect();
  FromScheduler(LeaseOf(0));
  const absl::Status away = absl::UnavailableError("gone");
  int loads = 0;
  const auto tick = [&](absl::Duration later) {
    now_ += later;
    On([&](auto* out) {
      core_.OnTick(now_, out);
      for (const ClientAction& action : *out) {
        loads += std::holds_alternative<PrepareJob>(action) ? 1 : 0;
      }
    });
  };

  // Its lease is renewed meanwhile, as while it loads.
  for (int tried = 1; tried < 10; ++tried) {
    On([&](auto* out) { core_.OnJobReady(record_->id, away, now_, out); });
    EXPECT_THAT(sent_, IsEmpty());
    tick(absl::Seconds(4));
    EXPECT_THAT(Sent<Progress>(), SizeIs(1));
    EXPECT_EQ(loads, tried - 1);
    EXPECT_LE(core_.NextTick(), now_ + absl::Seconds(1));
    tick(absl::Seconds(1));
    EXPECT_EQ(loads, tried);
  }
  On([&](auto* out) { core_.OnJobReady(record_->id, away, now_, out); });

  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kFailed);
  EXPECT_THAT(Sent<ItemEnd>()[0].error, HasSubstr("gone"));
}

// What was lost meanwhile is not loaded for.
TEST_F(TrainingCoreTest, LoadsNothingForNobody) {
  Connect();
  FromScheduler(LeaseOf(0));
  On([&](auto* out) {
    core_.OnJobReady(record_->id, absl::UnavailableError("gone"), now_, out);
  });
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});

  now_ += absl::Seconds(60);
  ClientActions actions;
  core_.OnTick(now_, &actions);

  for (const ClientAction& action : actions) {
    EXPECT_FALSE(std::holds_alternative<PrepareJob>(action));
  }
  // With the next lease it is.
  actions.clear();
  core_.OnScheduler(LeaseOf(1), now_, &actions);
  EXPECT_TRUE(std::any_of(actions.begin(), actions.end(), [](const auto& one) {
    return std::holds_alternative<PrepareJob>(one);
  }));
}

// Bug: it was reported as failed, and given up after five such reports while
// the data's source was away for a moment.
TEST_F(TrainingCoreTest, AnEvaluationWaitsForWhatIsLoadedAgain) {
  Connect();
  FromScheduler(EvaluationOf(record_));
  On([&](auto* out) {
    core_.OnJobReady(record_->id, absl::UnavailableError("gone"), now_, out);
  });
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());
  EXPECT_EQ(core_.NextTick(), now_ + absl::Seconds(5));
  int loads = 0;
  now_ += absl::Seconds(5);
  On([&](auto* out) {
    core_.OnTick(now_, out);
    for (const ClientAction& action : *out) {
      loads += std::holds_alternative<PrepareJob>(action) ? 1 : 0;
    }
  });
  EXPECT_EQ(loads, 1);
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());
  On([&](auto* out) {
    core_.OnJobReady(record_->id, absl::NotFoundError("no file"), now_, out);
  });
  ASSERT_THAT(Sent<EvaluationResult>(), SizeIs(1));
  EXPECT_EQ(Sent<EvaluationResult>()[0].error,
            "the job cannot be computed here");
}

// It evaluates snapshot 50, and holds an item whose values are on their way.
class EvaluatingCoreTest : public TrainingCoreTest {
 protected:
  EvaluatingCoreTest() {
    Begin(LeaseOf(0));
    const std::vector<SendPull> for_batch = std::exchange(open_pulls_, {});
    FromScheduler(EvaluationOf(record_));
    EXPECT_EQ(evaluates_, 0);
    AnswerPulls();
    EXPECT_EQ(evaluates_, 1);
    open_pulls_ = for_batch;
  }
  void Evaluated() {
    EvaluationResult result;
    result.examples = 1;
    On([&](auto* out) { core_.OnEvaluated(result, now_, out); });
  }
};

// Bug: it gave nothing back, and did not leave, before it was done.
TEST_F(EvaluatingCoreTest, LeavesWithoutWaitingForAnEvaluation) {
  On([&](auto* out) { core_.Drain(now_, out); });

  EXPECT_TRUE(core_.Drained());
  ASSERT_THAT(Sent<EvaluationResult>(), SizeIs(1));
  EXPECT_EQ(Sent<EvaluationResult>()[0].error, "the worker is leaving");
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kReturned);
  EXPECT_THAT(Sent<WorkerGoodbye>(), SizeIs(1));
  Evaluated();
  EXPECT_THAT(sent_, IsEmpty());
}

// The scheduler has another begun, and waits for that alone.
TEST_F(EvaluatingCoreTest, NoEvaluationOutlivesItsSession) {
  Connect();
  Evaluated();
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());

  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  open_pulls_.clear();
  FromScheduler(EvaluationOf(record_));
  AnswerPulls();
  EXPECT_EQ(evaluates_, 2);
  Evaluated();
  EXPECT_THAT(Sent<EvaluationResult>(), SizeIs(1));
}

// Bug: its leases ran out, and the item was blamed.
TEST_F(TrainingCoreTest, KeepsItsItemsWhileItLoadsWhatItEvaluates) {
  Begin(LeaseOf(0));
  auto other = std::make_shared<JobRecord>(*record_);
  other->id = JobId(8);
  FromScheduler(EvaluationOf(other));

  Tick(absl::Seconds(10));
  EXPECT_THAT(Sent<Progress>(), SizeIs(1));
  On([&](auto* out) { core_.OnJobReady(other->id, {}, now_, out); });
  Tick(absl::Seconds(1));
  EXPECT_THAT(Sent<Progress>(), SizeIs(1));
  Tick(absl::Seconds(10));  // Nothing advanced since.
  EXPECT_THAT(Sent<Progress>(), IsEmpty());
}

TEST_F(TrainingCoreTest, ALoadThatWaitsForABatchThatHangsKeepsNoItems) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_TRUE(core_.computing());
  auto other = std::make_shared<JobRecord>(*record_);
  other->id = JobId(8);
  FromScheduler(EvaluationOf(other));

  Tick(absl::Seconds(10));
  EXPECT_THAT(Sent<Progress>(), IsEmpty());
}

// One push of a partition is on its way to each server.
class PushWindowCoreTest : public TrainingCoreTest {
 protected:
  PushWindowCoreTest()
      : TrainingCoreTest(
            {.session = kMe, .push_bytes = 1, .push_window_bytes = 1}) {}
};

TEST_F(PushWindowCoreTest, AnAnswerMakesRoomForTheNextPush) {
  Begin(LeaseOf(0));
  PushFirst();
  AnswerPulls();
  Computed();
  EXPECT_THAT(pushes_, IsEmpty());
  Answer(first_[0], Verdict::kApplied, 1);
  ASSERT_THAT(pushes_, SizeIs(1));
  EXPECT_EQ(pushes_[0].id.server, first_[0].id.server);
  EXPECT_EQ(pushes_[0].request.begin, 1);
}

// Pulls take 50 ms there, batches 1.
class FarServersTest : public TrainingCoreTest {
 protected:
  explicit FarServersTest(bool prefetch = true)
      : TrainingCoreTest(
            {.session = kMe, .batches_per_pull = 4, .prefetch = prefetch}) {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.examples = record->plan.shard_size = 1000;
    record_ = record;
    Begin(LeaseOf(0));
  }
  // The pulls are answered, and what was pushed before.
  void OneRoundTrip() {
    now_ += absl::Milliseconds(50);
    for (const SendPush& push : std::exchange(on_their_way_, {})) {
      Answer(push, Verdict::kApplied, push.request.end);
    }
    for (const SendPull& pull : std::exchange(open_pulls_, {})) {
      Answer(pull);
      Count();
    }
  }
  void Count() {
    computing_ = computing_ || !computes_.empty();
    on_their_way_.insert(on_their_way_.end(), pushes_.begin(), pushes_.end());
  }
  // Computes all there is to compute meanwhile; how many that were.
  int ComputeMeanwhile() {
    int batches = 0;
    while (std::exchange(computing_, false)) {
      ++batches;
      now_ += absl::Milliseconds(1);
      Computed();
      Count();
    }
    return batches;
  }

  bool computing_ = false;
  std::vector<SendPush> on_their_way_;
};

TEST_F(FarServersTest, TheNextBatchesAreComputedWithTheValuesThereAre) {
  int batches = 0;
  for (int i = 0; i < 12; ++i) {
    OneRoundTrip();
    batches = ComputeMeanwhile();
    if (i == 0) {
      EXPECT_EQ(batches, 1);
    }
  }
  EXPECT_EQ(batches, 4);
}

class FarServersWithoutPrefetchTest : public FarServersTest {
 protected:
  FarServersWithoutPrefetchTest() : FarServersTest(/*prefetch=*/false) {}
};

TEST_F(FarServersWithoutPrefetchTest, OldValuesAreForTheTimeOfAPullOnly) {
  int batches = 0;
  for (int i = 0; i < 12; ++i) {
    OneRoundTrip();
    batches = ComputeMeanwhile();
  }
  EXPECT_EQ(batches, 1);
}

}  // namespace
}  // namespace ebb::client

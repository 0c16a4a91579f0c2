// Tests what a worker does for a job with sparse tables: it asks for the rows
// of a batch before it pulls, and pulls and pushes these.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "client/testing/kept_actions.h"
#include "client/training_core.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr SessionId kMe(9);
constexpr ServerId kServer(0);
constexpr ItemId kItem{0, 0};

template <typename T>
std::vector<T> Unpacked(const Payload& payload) {
  std::vector<T> values(payload.size() / sizeof(T));
  payload.CopyTo(std::as_writable_bytes(std::span(values)));
  return values;
}

// Two partitions on one server; an item of 3 examples in batches of 1; a table
// of rows of two floats. The batch that begins at b touches the keys 10 + b of
// partition 0 and nothing of partition 1.
class SparseRowsTest : public testing::KeptActions {
 protected:
  explicit SparseRowsTest(ClientOptions options = {.session = kMe})
      : core_(std::move(options)) {
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(7);
    record->plan.examples = 3;
    record->plan.shard_size = 3;
    record->plan.parameters = 2;
    record->plan.block_floats = 2;
    record->plan.partitions = 2;
    record->plan.sparse_tables = {{.width = 2}};
    record_ = record;
  }

  // Leased, prepared and placed: it wants rows.
  void Begin() {
    On([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
    Lease lease;
    lease.record = record_;
    lease.generation = Generation(1);
    lease.item = kItem;
    lease.ttl = absl::Seconds(3);
    On([&](auto* out) { core_.OnScheduler(std::move(lease), now_, out); });
    Placement placement;
    placement.job = record_->id;
    placement.generation = Generation(1);
    for (int32_t p = 0; p < 2; ++p) {
      placement.partitions.push_back(
          {PartitionId(p), kServer, SessionId(100), Term(5)});
    }
    placement.servers = {{kServer, "here"}};
    On([&](auto* out) { core_.OnScheduler(std::move(placement), now_, out); });
    On([&](auto* out) {
      core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
    });
  }
  static std::vector<uint64_t> KeysOf(int64_t begin) {
    return {static_cast<uint64_t>(10 + begin)};
  }
  void Found(const FindRows& batch) {
    auto rows = std::make_shared<BatchRows>();
    rows->item = batch.item;
    rows->begin = batch.begin;
    rows->end = batch.end;
    rows->partitions.resize(2);
    rows->partitions[0].push_back({0, Payload::Of(KeysOf(batch.begin))});
    On([&](auto* out) {
      core_.OnRowsFound(batch, BatchRowsPtr(rows), now_, out);
    });
  }
  // Asks for the rows of the batch that begins there, and for nothing else.
  void ExpectWanted(int64_t begin) {
    ASSERT_THAT(wanted_, SizeIs(1));
    EXPECT_EQ(wanted_[0].item, kItem);
    EXPECT_EQ(wanted_[0].begin, begin);
    EXPECT_EQ(wanted_[0].end, begin + 1);
    EXPECT_THAT(pulls_, IsEmpty());
  }
  void Answer(const SendPull& pull, std::vector<float> row) {
    PullReply reply;
    reply.job = record_->id;
    reply.generation = Generation(1);
    reply.worker = kMe;
    for (const PullSegmentRequest& segment : pull.request.segments) {
      PullSegment& one = reply.segments.emplace_back();
      one.partition = segment.partition;
      one.term = segment.term;
      if (!segment.rows.empty()) one.rows = {Payload::Of(row)};
    }
    On([&](auto* out) { core_.OnPullReply(pull.id, reply, now_, out); });
  }
  // Computes what the batch that begins there adds to its row.
  void Computed(int64_t begin) {
    ComputeResult result;
    result.gradient = Payload::Of(std::vector<float>{1, 2});
    result.ledger = ExpectedRow(kItem, begin, begin + 1);
    result.rows.resize(2);
    result.rows[0].push_back(
        {0, Payload::Of(KeysOf(begin)), Payload::Of(std::vector<float>{3, 4})});
    On([&](auto* out) { core_.OnComputed(std::move(result), now_, out); });
  }
  void Judge(const SendPush& push, Verdict verdict, int64_t mark) {
    PushReply reply;
    reply.job = record_->id;
    reply.generation = Generation(1);
    reply.worker = kMe;
    for (const PushSegment& segment : push.request.segments) {
      reply.segments.push_back(
          {segment.partition, verdict, mark, segment.term});
    }
    On([&](auto* out) { core_.OnPushReply(push.id, reply, now_, out); });
  }

  JobRecordPtr record_;
  absl::Time now_ = absl::UnixEpoch();
  TrainingCore core_;
};

TEST_F(SparseRowsTest, ABatchsRowsAreFoundThenPulledThenPushed) {
  Begin();
  ExpectWanted(0);
  Found(wanted_[0]);
  ASSERT_THAT(pulls_, SizeIs(1));
  const std::vector<PullSegmentRequest>& asked = pulls_[0].request.segments;
  ASSERT_THAT(asked, SizeIs(2));
  ASSERT_THAT(asked[0].rows, SizeIs(1));
  EXPECT_EQ(asked[0].rows[0].table, 0);
  EXPECT_THAT(Unpacked<uint64_t>(asked[0].rows[0].keys), ElementsAre(10));
  EXPECT_THAT(asked[1].rows, IsEmpty());

  Answer(pulls_[0], {0.5, 0.25});
  ASSERT_THAT(computes_, SizeIs(1));
  const PulledValues& values = *computes_[0].values;
  EXPECT_EQ(values.rows->begin, 0);
  ASSERT_THAT(values.row_values[0], SizeIs(1));
  EXPECT_THAT(Unpacked<float>(values.row_values[0][0]), ElementsAre(0.5, 0.25));
  EXPECT_THAT(values.row_values[1], IsEmpty());
  // While it is computed the next one's are found and pulled.
  ExpectWanted(1);
  Found(wanted_[0]);
  ASSERT_THAT(pulls_, SizeIs(1));
  EXPECT_THAT(Unpacked<uint64_t>(pulls_[0].request.segments[0].rows[0].keys),
              ElementsAre(11));

  Computed(0);
  ASSERT_THAT(pushes_, SizeIs(1));
  const std::vector<PushSegment>& pushed = pushes_[0].request.segments;
  ASSERT_THAT(pushed, SizeIs(2));
  ASSERT_THAT(pushed[0].rows, SizeIs(1));
  EXPECT_THAT(Unpacked<uint64_t>(pushed[0].rows[0].keys), ElementsAre(10));
  EXPECT_THAT(Unpacked<float>(pushed[0].rows[0].gradient), ElementsAre(3, 4));
  EXPECT_THAT(pushed[1].rows, IsEmpty());
}

TEST_F(SparseRowsTest, ValuesOfAnotherBatchAreOfNoUse) {
  Begin();
  Found(wanted_[0]);
  Answer(pulls_[0], {0, 0});
  Found(wanted_[0]);
  const SendPull of_the_next = pulls_[0];
  Computed(0);
  const SendPush push = pushes_[0];
  Answer(of_the_next, {0, 0});
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 1);
  ExpectWanted(2);
  Found(wanted_[0]);
  const SendPull of_the_last = pulls_[0];
  // The server has lost what it had: the first batch is the next again.
  Judge(push, Verdict::kGap, 0);
  ExpectWanted(0);
  const FindRows of_the_first = wanted_[0];
  Answer(of_the_last, {0, 0});
  Computed(1);
  EXPECT_THAT(computes_, IsEmpty());
  Found(of_the_first);
  ASSERT_THAT(pulls_, SizeIs(1));
  Answer(pulls_[0], {0, 0});
  ASSERT_THAT(computes_, SizeIs(1));
  EXPECT_EQ(computes_[0].begin, 0);
}

TEST_F(SparseRowsTest, WhatCannotBeReadFailsTheItem) {
  Begin();
  const FindRows batch = wanted_[0];
  On([&](auto* out) {
    core_.OnRowsFound(batch, absl::DataLossError("a torn line"), now_, out);
  });
  ASSERT_FALSE(sent_.empty());
  const auto* end = std::get_if<ItemEnd>(&sent_[0]);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->end, LeaseEnd::kFailed);
  EXPECT_EQ(end->failed_end, 1);
  EXPECT_THAT(end->error, HasSubstr("a torn line"));
}

// Bug: data that was away for a second failed the item at once.
TEST_F(SparseRowsTest, DataThatIsAwayIsAskedForAgain) {
  Begin();
  for (int i = 0; i < 3; ++i) {
    ExpectWanted(0);
    const FindRows batch = wanted_[0];
    now_ += absl::Seconds(1);
    On([&](auto* out) { core_.OnRowsFound(batch, BatchRowsPtr(), now_, out); });
    EXPECT_THAT(sent_, IsEmpty());
  }
  ExpectWanted(0);
  Found(wanted_[0]);
  EXPECT_THAT(pulls_, SizeIs(1));
}

TEST_F(SparseRowsTest, AnAnswerWithoutTheRowsIsNone) {
  Begin();
  Found(wanted_[0]);
  Answer(pulls_[0], {0.5});
  EXPECT_THAT(computes_, IsEmpty());
  ASSERT_FALSE(sent_.empty());
  const auto* end = std::get_if<ItemEnd>(&sent_[0]);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->end, LeaseEnd::kFailed);
}

// A job that is ready and has no item here.
class SparseEvaluationTest : public SparseRowsTest {
 protected:
  SparseEvaluationTest() {
    Begin();
    LeaseLost lost;
    lost.job = record_->id;
    lost.generation = Generation(1);
    lost.item = kItem;
    On([&](auto* out) { core_.OnScheduler(lost, now_, out); });
    Lease(50);
  }
  void Lease(int64_t snapshot) {
    EvaluationLease lease;
    lease.record = record_;
    lease.generation = Generation(1);
    lease.snapshot = snapshot;
    On([&](auto* out) { core_.OnScheduler(lease, now_, out); });
  }
  // A part of the test data, of two examples, up to `end`.
  void FoundTest(const FindRows& batch, bool last) {
    auto rows = std::make_shared<BatchRows>();
    rows->begin = batch.begin;
    rows->end = batch.begin + 2;
    rows->test = true;
    rows->last = last;
    rows->partitions.resize(2);
    rows->partitions[1].push_back({0, Payload::Of(KeysOf(batch.begin))});
    On([&](auto* out) {
      core_.OnRowsFound(batch, BatchRowsPtr(rows), now_, out);
    });
  }
  void Evaluated(double loss) {
    EvaluationResult result;
    result.examples = 2;
    result.loss_sum = loss;
    result.correct = 1;
    result.figures.named = {{"auc", loss}};
    On([&](auto* out) { core_.OnEvaluated(result, now_, out); });
  }
  const EvaluationResult* Reported() const {
    for (const WorkerToScheduler& message : sent_) {
      if (auto* result = std::get_if<EvaluationResult>(&message)) return result;
    }
    return nullptr;
  }
};

TEST_F(SparseEvaluationTest, TheTestDataIsTriedAPartAtATime) {
  for (int part = 0; part < 3; ++part) {
    ASSERT_THAT(wanted_, SizeIs(1)) << part;
    EXPECT_TRUE(wanted_[0].test);
    EXPECT_EQ(wanted_[0].begin, 2 * part);
    FoundTest(wanted_[0], part == 2);
    ASSERT_THAT(pulls_, SizeIs(1));
    EXPECT_EQ(pulls_[0].request.snapshot, 50);
    EXPECT_THAT(Unpacked<uint64_t>(pulls_[0].request.segments[1].rows[0].keys),
                ElementsAre(10 + 2 * part));
    Answer(pulls_[0], {1, 2});
    ASSERT_THAT(evaluates_, SizeIs(1));
    EXPECT_EQ(evaluates_[0].values->rows->begin, 2 * part);
    EXPECT_EQ(Reported(), nullptr);
    Evaluated(0.5 + part);
  }
  const EvaluationResult* result = Reported();
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->snapshot, 50);
  EXPECT_EQ(result->examples, 6);
  EXPECT_EQ(result->loss_sum, 4.5);
  EXPECT_EQ(result->correct, 3);
  // The last part's, which are those of all parts.
  EXPECT_EQ(result->figures.Find("auc"), 2.5);
}

TEST_F(SparseEvaluationTest, WhatIsFoundForAnEarlierOneServesTheLater) {
  const FindRows first = wanted_[0];
  Lease(51);
  ASSERT_THAT(wanted_, SizeIs(1));
  FoundTest(first, true);
  ASSERT_THAT(pulls_, SizeIs(1));
  EXPECT_EQ(pulls_[0].request.snapshot, 51);
  const SendPull pull = pulls_[0];
  FoundTest(first, true);  // Asked for twice; it changes nothing.
  EXPECT_THAT(pulls_, IsEmpty());
  Answer(pull, {1, 2});
  ASSERT_THAT(evaluates_, SizeIs(1));
  Evaluated(1);
  ASSERT_NE(Reported(), nullptr);
  EXPECT_EQ(Reported()->snapshot, 51);
}

TEST_F(SparseEvaluationTest, WhatCannotBeReadIsReported) {
  const FindRows batch = wanted_[0];
  On([&](auto* out) {
    core_.OnRowsFound(batch, absl::DataLossError("a torn line"), now_, out);
  });
  ASSERT_NE(Reported(), nullptr);
  EXPECT_THAT(Reported()->error, HasSubstr("a torn line"));
}

// Bug: test data that was away for a second failed the evaluation at once.
TEST_F(SparseEvaluationTest, DataThatIsAwayIsAskedForAgain) {
  const FindRows batch = wanted_[0];
  On([&](auto* out) { core_.OnRowsFound(batch, BatchRowsPtr(), now_, out); });
  EXPECT_EQ(Reported(), nullptr);
  ASSERT_THAT(wanted_, SizeIs(1));
  EXPECT_EQ(wanted_[0].begin, 0);
  FoundTest(wanted_[0], true);
  // Nor may it be there when the part is computed.
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(pulls_, SizeIs(1));
    EXPECT_EQ(pulls_[0].request.snapshot, 50);
    Answer(pulls_[0], {1, 2});
    ASSERT_THAT(evaluates_, SizeIs(1));
    On([&](auto* out) { core_.OnEvaluated(std::nullopt, now_, out); });
    EXPECT_EQ(Reported(), nullptr);
  }
  Answer(pulls_[0], {1, 2});
  Evaluated(1);
  ASSERT_NE(Reported(), nullptr);
  EXPECT_EQ(Reported()->examples, 2);
}

// Bug: a program in the middle of an evaluation that was lost waited for good.
TEST_F(SparseEvaluationTest, TheComputerHearsThatItIsLost) {
  On([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
  EXPECT_EQ(lost_evaluations_, 1);
  On([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
  EXPECT_EQ(lost_evaluations_, 0);

  Lease(51);
  EXPECT_EQ(lost_evaluations_, 0);
  Lease(52);
  EXPECT_EQ(lost_evaluations_, 1);

  FoundTest(wanted_[0], false);
  ASSERT_THAT(pulls_, SizeIs(1));
  const PullId pull = pulls_[0].id;
  On([&](auto* out) {
    core_.OnPullOverLimit(pull, absl::OutOfRangeError("too long"), now_, out);
  });
  EXPECT_NE(Reported(), nullptr);
  EXPECT_EQ(lost_evaluations_, 1);
}

TEST_F(SparseEvaluationTest, TheComputerHearsOfALossWhileItComputes) {
  FoundTest(wanted_[0], false);
  Answer(pulls_[0], {1, 2});
  ASSERT_THAT(evaluates_, SizeIs(1));
  On([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
  EXPECT_EQ(lost_evaluations_, 1);
  Evaluated(1);
  EXPECT_EQ(lost_evaluations_, 0);
}

TEST_F(SparseEvaluationTest, WhatIsReportedIsNotLost) {
  FoundTest(wanted_[0], true);
  Answer(pulls_[0], {1, 2});
  Evaluated(1);
  EXPECT_NE(Reported(), nullptr);
  EXPECT_EQ(lost_evaluations_, 0);
}

// A program finds rows, and is in the middle of an evaluation between its
// parts.
class SparseProgramTest : public SparseRowsTest {
 protected:
  SparseProgramTest()
      : SparseRowsTest({.session = kMe,
                        .evaluates_whole = true,
                        .batch_patience = absl::Seconds(60)}) {}

  // Returns whether the lease is renewed so long after the last event.
  bool RenewsAfter(absl::Duration time) {
    sent_.clear();
    now_ += time;
    On([&](auto* out) { core_.OnTick(now_, out); });
    return std::any_of(sent_.begin(), sent_.end(), [](const auto& message) {
      return std::holds_alternative<Progress>(message);
    });
  }
  void FoundPart(int64_t part, bool last) {
    auto rows = std::make_shared<BatchRows>();
    rows->begin = part;
    rows->end = part + 1;
    rows->test = true;
    rows->last = last;
    rows->partitions.resize(2);
    FindRows batch;
    batch.record = record_;
    batch.test = true;
    batch.begin = part;
    On([&](auto* out) {
      core_.OnRowsFound(batch, BatchRowsPtr(rows), now_, out);
    });
  }
};

TEST_F(SparseProgramTest, TheLeaseLastsWhileItsRowsAreBeingFound) {
  Begin();
  ASSERT_THAT(wanted_, SizeIs(1));
  EXPECT_TRUE(RenewsAfter(absl::Seconds(30)));
  EXPECT_FALSE(RenewsAfter(absl::Seconds(31)));
}

TEST_F(SparseProgramTest, NoBatchIsBegunBetweenThePartsOfAnEvaluation) {
  Begin();
  EvaluationLease lease;
  lease.record = record_;
  lease.generation = Generation(1);
  lease.snapshot = 50;
  const FindRows batch = wanted_[0];
  On([&](auto* out) { core_.OnScheduler(lease, now_, out); });
  FoundPart(0, false);
  ASSERT_THAT(pulls_, SizeIs(1));
  Answer(pulls_[0], {});
  ASSERT_THAT(evaluates_, SizeIs(1));
  Found(batch);
  ASSERT_THAT(pulls_, SizeIs(1));
  Answer(pulls_[0], {1, 2});
  EXPECT_THAT(computes_, IsEmpty());
  EvaluationResult part;
  part.correct = 0;
  On([&](auto* out) { core_.OnEvaluated(part, now_, out); });
  EXPECT_THAT(computes_, IsEmpty());
  FoundPart(1, true);
  Answer(pulls_[0], {});
  ASSERT_THAT(evaluates_, SizeIs(1));
  EXPECT_THAT(computes_, IsEmpty());
  On([&](auto* out) { core_.OnEvaluated(part, now_, out); });
  EXPECT_THAT(computes_, SizeIs(1));
}

}  // namespace
}  // namespace ebb::client

#include "client/local_training.h"

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "algorithms/algorithm.h"
#include "client/pulled_values.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ItemId kItem{0, 0};

std::vector<float> FloatsOf(const Payload& payload) {
  std::vector<float> floats(payload.size() / sizeof(float));
  payload.CopyTo(std::as_writable_bytes(std::span(floats)));
  return floats;
}

// Items of 9 examples in batches of 2; two partitions of a float each.
class LocalTrainingTest : public testing::Test {
 protected:
  LocalTrainingTest() {
    algorithm_ =
        BuiltinAlgorithms()
            .Create({.kind = "downpour", .push_every = 2, .pull_every = 2})
            .value();
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(3);
    record->plan.examples = 18;
    record->plan.shard_size = 9;
    record->plan.batch_by_epoch = {2};
    record->plan.parameters = 2;
    record->plan.block_floats = 1;
    record->plan.partitions = 2;
    record->plan.algorithm = algorithm_->Plan();
    record_ = record;
  }

  static PulledValuesPtr Pulled(float a, float b) {
    auto values = std::make_shared<PulledValues>();
    values->partitions = {Payload::Of(std::vector<float>{a}),
                          Payload::Of(std::vector<float>{b})};
    values->updates = {4, 5};
    return values;
  }
  ComputeTask TaskAt(int64_t begin, int64_t gathered, bool push,
                     ItemId item = kItem) const {
    ComputeTask task{record_, Generation(1), item, begin, begin + 2, values_};
    task.gathered = gathered;
    task.push = push;
    return task;
  }
  // Returns the values at which the batch is to be computed.
  std::vector<float> BeginAt(const ComputeTask& task) {
    const auto local = training_.Begin(task);
    EXPECT_TRUE(local.ok()) << local.status();
    std::vector<float> values(2);
    if (local.ok()) {
      EXPECT_TRUE(Assemble(record_->plan, *local->values, values).ok());
    }
    return values;
  }
  ComputeResult EndWith(const ComputeTask& task, std::vector<float> gradient) {
    ComputeResult result;
    result.gradient = Payload::Of(std::move(gradient));
    result.oracle = Payload::Of(std::vector<uint64_t>{1, 10});
    result.ledger = ExpectedRow(task.item, task.begin, task.end);
    result.loss_sum = 3;
    training_.End(task, &result);
    return result;
  }

  std::unique_ptr<const Algorithm> algorithm_;
  JobRecordPtr record_;
  PulledValuesPtr values_ = Pulled(1, 2);
  LocalTraining training_{[this](const JobRecord& record) {
    ++rules_;
    return LocalMathematics{
        algorithm_->MakeLocalRule(record.plan.parameters),
        [](ItemId, int64_t begin, int64_t) { return begin == 0 ? 1 : 10; }};
  }};
  int rules_ = 0;
};

TEST_F(LocalTrainingTest, GathersTheSumsOfARunAndStepsInBetween) {
  ComputeTask task = TaskAt(0, 0, false);
  EXPECT_THAT(BeginAt(task), ElementsAre(1, 2));
  ComputeResult result = EndWith(task, {2, 4});
  EXPECT_TRUE(result.gradient.empty());
  EXPECT_TRUE(result.leaves);
  // At a rate of 1, by the mean of two.
  task = TaskAt(2, 2, true);
  EXPECT_THAT(BeginAt(task), ElementsAre(0, 0));
  result = EndWith(task, {20, 40});
  EXPECT_THAT(FloatsOf(result.gradient), ElementsAre(22, 44));
  EXPECT_EQ(result.ledger, ExpectedRow(kItem, 0, 4));
  EXPECT_EQ(result.loss_sum, 6);
  EXPECT_FALSE(result.leaves);
  std::vector<uint64_t> oracle(2);
  result.oracle.CopyTo(std::as_writable_bytes(std::span(oracle)));
  EXPECT_THAT(oracle, ElementsAre(2, 20));
  // From the same pull, at another rate.
  EXPECT_THAT(BeginAt(TaskAt(4, 0, false)), ElementsAre(-100, -200));
}

TEST_F(LocalTrainingTest, StepsTakeTheGenerationsRateFactor) {
  ComputeTask task = TaskAt(0, 0, false);
  task.rate_factor = 0.5;
  BeginAt(task);
  EndWith(task, {2, 4});
  EXPECT_THAT(BeginAt(TaskAt(2, 2, true)), ElementsAre(0.5, 1));
}

// Bug: it was pushed, and what the servers had was not finite for good.
TEST_F(LocalTrainingTest, AChangeThatIsNotFiniteIsAnError) {
  BeginAt(TaskAt(0, 0, false));
  EndWith(TaskAt(0, 0, false), {2, 3e38f});
  BeginAt(TaskAt(2, 2, true));
  const ComputeResult result = EndWith(TaskAt(2, 2, true), {20, 3e38f});
  EXPECT_TRUE(result.non_finite);
  EXPECT_THAT(result.error, HasSubstr("inf of element 1"));
  EXPECT_TRUE(result.gradient.empty());
  EXPECT_TRUE(result.filtered.empty());
  EXPECT_EQ(result.ledger, LedgerRow());
  // Nothing of it stays.
  EXPECT_TRUE(absl::IsAborted(training_.Begin(TaskAt(4, 2, true)).status()));
  EXPECT_THAT(BeginAt(TaskAt(0, 0, false)), ElementsAre(1, 2));
}

TEST_F(LocalTrainingTest, ANewPullIsWhereItGoesOnFrom) {
  BeginAt(TaskAt(0, 0, false));
  EndWith(TaskAt(0, 0, false), {2, 4});
  values_ = Pulled(5, 6);
  EXPECT_THAT(BeginAt(TaskAt(2, 2, true)), ElementsAre(5, 6));
  // What is gathered stays.
  EXPECT_THAT(FloatsOf(EndWith(TaskAt(2, 2, true), {1, 1}).gradient),
              ElementsAre(3, 5));
}

TEST_F(LocalTrainingTest, ARunThatBeginsAnewHasNothingOfBefore) {
  BeginAt(TaskAt(0, 0, false));
  EndWith(TaskAt(0, 0, false), {2, 4});
  EXPECT_THAT(BeginAt(TaskAt(0, 0, true)), ElementsAre(1, 2));
  const ComputeResult result = EndWith(TaskAt(0, 0, true), {7, 8});
  EXPECT_THAT(FloatsOf(result.gradient), ElementsAre(7, 8));
  EXPECT_EQ(result.ledger, ExpectedRow(kItem, 0, 2));
}

// Whoever dropped a run may meet the place where it was again.
TEST_F(LocalTrainingTest, ARunThatBeginsWhereAnotherStoodHasNothingOfIt) {
  BeginAt(TaskAt(0, 0, false));
  EndWith(TaskAt(0, 0, false), {2, 4});
  EXPECT_THAT(BeginAt(TaskAt(2, 0, true)), ElementsAre(1, 2));
  EXPECT_EQ(EndWith(TaskAt(2, 0, true), {7, 8}).ledger,
            ExpectedRow(kItem, 2, 4));
}

TEST_F(LocalTrainingTest, WhatIsNotThereCannotBeContinued) {
  EXPECT_TRUE(absl::IsAborted(training_.Begin(TaskAt(2, 2, true)).status()));
  BeginAt(TaskAt(0, 0, false));
  EndWith(TaskAt(0, 0, false), {2, 4});
  ComputeTask other = TaskAt(2, 2, true);
  other.generation = Generation(2);
  EXPECT_TRUE(absl::IsAborted(training_.Begin(other).status()));
}

TEST_F(LocalTrainingTest, ABatchThatFailsLeavesWhatWasBefore) {
  BeginAt(TaskAt(0, 0, false));
  EndWith(TaskAt(0, 0, false), {2, 4});
  BeginAt(TaskAt(2, 2, true));
  ComputeResult failed;
  failed.error = "no";
  training_.End(TaskAt(2, 2, true), &failed);
  EXPECT_EQ(failed.error, "no");
  BeginAt(TaskAt(2, 2, true));
  EXPECT_THAT(FloatsOf(EndWith(TaskAt(2, 2, true), {1, 1}).gradient),
              ElementsAre(3, 5));
}

TEST_F(LocalTrainingTest, ItemsThatAreDoneHandOnTheirRule) {
  for (int32_t shard = 0; shard < 2; ++shard) {
    for (int64_t begin = 0; begin < 9; begin += 2) {
      ComputeTask task = TaskAt(begin, 0, true, {0, shard});
      task.end = std::min<int64_t>(task.end, 9);
      BeginAt(task);
      EndWith(task, {1, 1});
    }
  }
  EXPECT_EQ(rules_, 1);
}

// The rule has the rate of the job as it was.
TEST_F(LocalTrainingTest, ItemsOfAChangedJobHandOnNothing) {
  for (int64_t begin = 0; begin < 9; begin += 2) {
    ComputeTask task = TaskAt(begin, 0, true);
    task.end = std::min<int64_t>(task.end, 9);
    BeginAt(task);
    EndWith(task, {1, 1});
  }
  auto changed = std::make_shared<JobRecord>(*record_);
  changed->specification = "another rate";
  record_ = changed;
  BeginAt(TaskAt(0, 0, true, {0, 1}));
  EXPECT_EQ(rules_, 2);
}

// A table of rows of one element, of which each batch has some.
class RunsWithRowsTest : public LocalTrainingTest {
 protected:
  RunsWithRowsTest() {
    algorithm_ = BuiltinAlgorithms()
                     .Create({.kind = "geo", .push_every = 2, .share = 0.5})
                     .value();
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.algorithm = algorithm_->Plan();
    record->plan.sparse_tables = {{.width = 1}};
    record_ = record;
  }

  // Rows of the first partition.
  static PulledValuesPtr PulledRows(std::vector<uint64_t> keys,
                                    std::vector<float> rows) {
    auto values = std::make_shared<PulledValues>(*Pulled(1, 2));
    auto asked = std::make_shared<BatchRows>();
    asked->partitions = {{{0, Payload::Of(std::move(keys))}}, {}};
    values->rows = std::move(asked);
    values->row_values = {{Payload::Of(std::move(rows))}, {}};
    return values;
  }
  // Returns the rows at which the batch is to be computed.
  std::vector<float> RowsAt(const ComputeTask& task) {
    const auto local = training_.Begin(task);
    EXPECT_TRUE(local.ok()) << local.status();
    if (!local.ok()) return {};
    EXPECT_EQ((*local).values->rows, task.values->rows);
    return FloatsOf((*local).values->row_values[0][0]);
  }
  ComputeResult EndWithRows(const ComputeTask& task, std::vector<uint64_t> keys,
                            std::vector<float> sums) {
    ComputeResult result;
    result.gradient = Payload::Of(std::vector<float>{0, 2});
    result.rows = {
        {{0, Payload::Of(std::move(keys)), Payload::Of(std::move(sums))}}, {}};
    result.oracle = Payload::Of(std::vector<uint64_t>{1, 10});
    result.ledger = ExpectedRow(task.item, task.begin, task.end);
    training_.End(task, &result);
    return result;
  }

  RunLimits limits_;
  LocalTraining training_{[this](const JobRecord& record) {
    const auto rows = algorithm_->MakeRowRule();
    return LocalMathematics{MakeRunRule(rows, record.plan.parameters),
                            [](ItemId, int64_t, int64_t) { return 1; }, rows,
                            limits_};
  }};
};

TEST_F(RunsWithRowsTest, APushHasHowFarTheRowsOfAllItsBatchesCame) {
  values_ = PulledRows({3, 5}, {10, 20});
  EXPECT_THAT(RowsAt(TaskAt(0, 0, false)), ElementsAre(10, 20));
  ComputeResult result = EndWithRows(TaskAt(0, 0, false), {3, 5}, {4, 8});
  EXPECT_THAT(result.rows, IsEmpty());
  EXPECT_TRUE(result.leaves);
  // Others moved 5 meanwhile, and 7 is new.
  values_ = PulledRows({5, 7}, {30, 40});
  EXPECT_THAT(RowsAt(TaskAt(2, 2, true)), ElementsAre(26, 40));
  result = EndWithRows(TaskAt(2, 2, true), {5, 7}, {2, 6});
  ASSERT_EQ(result.rows.size(), 2u);
  ASSERT_EQ(result.rows[0].size(), 1u);
  EXPECT_THAT(FloatsOf(result.rows[0][0].gradient),
              ElementsAre(-1, -2.5, -1.5));
  EXPECT_THAT(FloatsOf(result.gradient), ElementsAre(0, -1));
  EXPECT_EQ(result.ledger, ExpectedRow(kItem, 0, 4));
  EXPECT_FALSE(result.leaves);
  // What is next begins at what is pulled.
  EXPECT_THAT(RowsAt(TaskAt(4, 0, false)), ElementsAre(30, 40));
}

TEST_F(RunsWithRowsTest, ARunThatBeginsAnewHasNoRowsOfBefore) {
  values_ = PulledRows({3}, {10});
  RowsAt(TaskAt(0, 0, false));
  EndWithRows(TaskAt(0, 0, false), {3}, {4});
  EXPECT_THAT(RowsAt(TaskAt(0, 0, true)), ElementsAre(10));
  EXPECT_THAT(
      FloatsOf(EndWithRows(TaskAt(0, 0, true), {3}, {2}).rows[0][0].gradient),
      ElementsAre(-0.5));
}

TEST_F(RunsWithRowsTest, MoreRowsThanAPushMayHaveFailAndAreForgotten) {
  limits_.most_rows = 2;
  values_ = PulledRows({3, 5}, {10, 20});
  RowsAt(TaskAt(0, 0, false));
  EndWithRows(TaskAt(0, 0, false), {3, 5}, {4, 8});
  values_ = PulledRows({7}, {1});
  RowsAt(TaskAt(2, 2, true));
  const ComputeResult failed = EndWithRows(TaskAt(2, 2, true), {7}, {1});
  EXPECT_THAT(failed.error, HasSubstr("algorithm.most_rows"));
  EXPECT_THAT(failed.rows, IsEmpty());
  EXPECT_TRUE(absl::IsAborted(training_.Begin(TaskAt(2, 2, true)).status()));
}

// Each gradient is finite, and their sum is not: the job's policy decides.
TEST_F(RunsWithRowsTest, WhatIsNotFiniteFailsAsSuch) {
  algorithm_ =
      BuiltinAlgorithms().Create({.kind = "downpour", .push_every = 2}).value();
  values_ = PulledRows({3}, {0});
  RowsAt(TaskAt(0, 0, false));
  EndWithRows(TaskAt(0, 0, false), {3}, {3e38f});
  RowsAt(TaskAt(2, 2, true));
  const ComputeResult failed = EndWithRows(TaskAt(2, 2, true), {3}, {3e38f});
  EXPECT_TRUE(failed.non_finite);
  EXPECT_THAT(failed.error, HasSubstr("inf in the row of key 3"));
  EXPECT_THAT(failed.rows, IsEmpty());
}

// A rule has the vectors of the model several times, and a run is not continued
// when another item was begun.
TEST_F(LocalTrainingTest, RunsOfAllItemsHaveOneRule) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.algorithm.runs = true;
  record_ = record;
  const ItemId other{0, 1};
  BeginAt(TaskAt(0, 0, false));
  EndWith(TaskAt(0, 0, false), {2, 4});
  EXPECT_THAT(BeginAt(TaskAt(0, 0, false, other)), ElementsAre(1, 2));
  EXPECT_EQ(rules_, 1);
  EXPECT_TRUE(absl::IsAborted(training_.Begin(TaskAt(2, 2, true)).status()));
  EXPECT_THAT(BeginAt(TaskAt(0, 0, false)), ElementsAre(1, 2));
  EXPECT_EQ(rules_, 1);
}

TEST_F(LocalTrainingTest, OtherJobsAreLeftAlone) {
  auto plain = std::make_shared<JobRecord>(*record_);
  plain->plan.algorithm = {};
  record_ = plain;
  const auto same = training_.Begin(TaskAt(0, 0, true));
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->values, values_);
  EXPECT_THAT(FloatsOf(EndWith(TaskAt(0, 0, true), {7, 8}).gradient),
              ElementsAre(7, 8));
  EXPECT_EQ(rules_, 0);
}

}  // namespace
}  // namespace ebb::client

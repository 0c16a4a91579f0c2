// Of models whose features are keys of a sparse table.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "data/order.h"
#include "data/pack/packer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/specification.h"
#include "worker/testing/training_computer_fixture.h"
#include "worker/training_computer.h"

namespace ebb::worker {
namespace {

using testing::Expected;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::kExamples;
using testing::kFeatures;
using ::testing::Pointwise;

// Of logistic regression by keys: each feature is a key, whose weight is a row,
// and the bias is the only dense parameter.
class KeyedComputerTest : public testing::TrainingComputerFixture {
 protected:
  KeyedComputerTest()
      : record_(Submit("model: sparse_logistic\n"
                       "data: {train: {libsvm: " +
                       WriteLibsvm("a.libsvm", kExamples) +
                       "}, test: {libsvm: " + WriteLibsvm("b.libsvm", 25) +
                       "}}\n"
                       "train: {batch: 4, item_examples: 10, "
                       "shuffle_seed: 9}\n"
                       "oracle: 3\n")) {
    computer_ = std::make_unique<TrainingComputer>(
        TrainingComputerOptions{.evaluation_batch = 10});
    const absl::Status prepared = computer_->Prepare(record_);
    EXPECT_TRUE(prepared.ok()) << prepared;
  }

  // Returns what servers answer to a pull of these rows.
  client::PulledValuesPtr Answered(const client::BatchRowsPtr& rows) const {
    const auto pulled = Pulled(record_->plan, {kBias});
    auto values = std::make_shared<client::PulledValues>(*pulled);
    values->rows = rows;
    for (const auto& wanted : rows->partitions) {
      auto& answers = values->row_values.emplace_back();
      for (const PullRows& one : wanted) {
        std::vector<float> weights;
        for (const uint64_t key : Read<uint64_t>(one.keys)) {
          weights.push_back(Weight(key));
        }
        answers.push_back(Payload::Of(std::move(weights)));
      }
    }
    return values;
  }
  static float Weight(uint64_t key) {
    return 0.3F * static_cast<float>(key) - 0.5F;
  }
  // The same model of a job whose features are columns.
  std::unique_ptr<models::Model> Dense() {
    const auto record =
        Submit("model: {kind: logistic, l2: 0}\ndata: {train: {csv: " +
               WriteCsv("c.csv", kExamples) + "}, standardise: false}\n");
    const auto specification = job::ReadSpecification(*record);
    return Model(specification->job(),
                 *data::Index::Decode(specification->train_index()));
  }

  static constexpr float kBias = 0.25F;
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const JobRecordPtr record_;
  std::unique_ptr<TrainingComputer> computer_;
};

TEST_F(KeyedComputerTest, RowsThatHaveGoneAstrayAreSaidToBe) {
  const ItemId item{0, 0};
  const auto rows = computer_->FindRows({record_, Generation(1), item, 0, 4});
  ASSERT_TRUE(rows.ok()) << rows.status();
  auto values = std::make_shared<client::PulledValues>(*Answered(*rows));
  // All of them have all keys.
  for (auto& partition : values->row_values) {
    for (Payload& answer : partition) {
      answer =
          Payload::Of(std::vector<float>(answer.size() / sizeof(float), kNan));
    }
  }
  const client::ComputeResult result =
      computer_->Compute({record_, Generation(1), item, 0, 4, values});

  EXPECT_TRUE(result.non_finite);
  EXPECT_THAT(result.error,
              HasSubstr("the model's values are no longer finite"));
}

TEST_F(KeyedComputerTest, BatchesAreThoseOfTheSameModelOverColumns) {
  const JobPlan& plan = record_->plan;
  ASSERT_EQ(plan.parameters, 1);
  ASSERT_THAT(plan.sparse_tables, ::testing::SizeIs(1));
  EXPECT_EQ(plan.consistency.local_steps, 0);
  const auto dense = Dense();
  const std::vector<float> params = {Weight(1), Weight(2), Weight(3), kBias};
  for (const ItemId item : {ItemId{0, 0}, ItemId{1, 3}, ItemId{1, 0}}) {
    const std::vector<int64_t> order =
        *data::Order(9, {plan.examples, plan.shard_size}).Of(item);
    for (int64_t begin = 0; begin < plan.ItemSize(item);) {
      const int64_t end = plan.BatchEnd(item, begin);
      const auto rows =
          computer_->FindRows({record_, Generation(1), item, begin, end});
      ASSERT_TRUE(rows.ok()) << rows.status();
      client::ComputeTask task{record_, Generation(1), item,
                               begin,   end,           Answered(*rows)};
      const client::ComputeResult result = computer_->Compute(task);
      ASSERT_EQ(result.error, "");
      double loss = 0;
      const std::vector<float> expected =
          Expected(dense.get(), params,
                   {order.begin() + begin, order.begin() + end}, &loss);
      EXPECT_NEAR(result.loss_sum, loss, 1e-5);
      EXPECT_EQ(result.ledger, ExpectedRow(item, begin, end));
      EXPECT_THAT(Read<float>(result.gradient),
                  Pointwise(FloatNear(1e-5), {expected[3]}));
      // Features that are zero are written like any other.
      int keys = 0;
      for (const auto& of_partition : result.rows) {
        for (const PushRows& pushed : of_partition) {
          const auto sums = Read<float>(pushed.gradient);
          const auto touched = Read<uint64_t>(pushed.keys);
          ASSERT_EQ(sums.size(), touched.size());
          for (size_t i = 0; i < touched.size(); ++i, ++keys) {
            EXPECT_NEAR(sums[i], expected[touched[i] - 1], 1e-5);
          }
        }
      }
      EXPECT_EQ(keys, kFeatures);
      begin = end;
    }
  }
}

// A part that is not the one after the last would make figures of two
// evaluations.
TEST_F(KeyedComputerTest, PartsOfAnotherEvaluationHaveNoFigures) {
  const auto evaluate = [&](int64_t begin, int64_t snapshot) {
    client::FindRows part;
    part.record = record_;
    part.begin = part.end = begin;
    part.test = true;
    const auto rows = computer_->FindRows(part);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return computer_->Evaluate({record_, snapshot, Answered(*rows)})->figures;
  };
  EXPECT_NE(evaluate(0, 1), Figures());
  EXPECT_EQ(evaluate(10, 2), Figures());
  EXPECT_EQ(evaluate(10, 1), Figures());
  EXPECT_NE(evaluate(0, 1), Figures());
  EXPECT_NE(evaluate(10, 1), Figures());
}

TEST_F(KeyedComputerTest, TestDataIsTriedAPartAtATime) {
  const auto dense = Dense();
  const std::vector<float> params = {Weight(1), Weight(2), Weight(3), kBias};
  int64_t examples = 0, correct = 0;
  double loss = 0, expected = 0;
  for (bool last = false; !last;) {
    client::FindRows part;
    part.record = record_;
    part.begin = part.end = examples;
    part.test = true;
    const auto rows = computer_->FindRows(part);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_TRUE((*rows)->test);
    EXPECT_EQ((*rows)->begin, examples);
    const EvaluationResult result =
        *computer_->Evaluate({record_, 1, Answered(*rows)});
    ASSERT_EQ(result.error, "");
    EXPECT_EQ(result.examples, std::min<int64_t>(10, 25 - examples));
    examples += result.examples;
    correct += result.correct;
    loss += result.loss_sum;
    last = (*rows)->last;
    // All parts so far.
    EXPECT_THAT(result.figures.Find(kAccuracy),
                ::testing::Optional(static_cast<double>(correct) /
                                    static_cast<double>(examples)));
  }
  EXPECT_EQ(examples, 25);
  EXPECT_GT(correct, 0);
  std::vector<int64_t> all(25);
  std::iota(all.begin(), all.end(), 0);
  Expected(dense.get(), params, all, &expected);
  EXPECT_NEAR(loss, expected, 1e-4);
}

// Bug: files that were away for a second failed the batch, or the evaluation,
// at once. A job without keys waited for them.
TEST_F(KeyedComputerTest, WaitsForFilesThatAreAway) {
  namespace fs = std::filesystem;
  data::SourceSpec spec;
  spec.kind = data::SourceKind::kLibsvm;
  spec.path = folder_ / "a.libsvm";
  spec.libsvm.keys = true;
  const std::string packed = folder_ / "packed";
  ASSERT_TRUE(
      data::pack::PackSources({{"", spec}}, packed, {.window = 10}).ok());
  const std::string file = packed + "/windows-00000.ebbp";
  const auto record =
      Submit("model: sparse_logistic\ndata: {train: {packed: " + packed +
             "}, test: {packed: " + packed +
             "}}\ntrain: {batch: 4, item_examples: 10}\n");
  client::FindRows batch{record, Generation(1), ItemId{0, 0}, 0, 4};
  for (const bool test : {false, true}) {
    batch.test = test;
    TrainingComputerOptions options;
    options.read_ahead_batches = 0;
    TrainingComputer computer(options);
    computer.Hurry();  // It makes no pause.
    ASSERT_TRUE(computer.Prepare(record).ok());
    options.data_patience = absl::ZeroDuration();
    TrainingComputer impatient(options);
    ASSERT_TRUE(impatient.Prepare(record).ok());

    fs::rename(file, file + ".away");
    for (int i = 0; i < 3; ++i) {
      const auto waits = computer.FindRows(batch);
      ASSERT_TRUE(waits.ok()) << waits.status();
      EXPECT_EQ(*waits, nullptr);
    }
    EXPECT_THAT(impatient.FindRows(batch).status().message(),
                HasSubstr("it was tried for 0"));
    fs::rename(file + ".away", file);
    const auto found = computer.FindRows(batch);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_NE(*found, nullptr);
    EXPECT_EQ((*found)->test, test);
  }
}

}  // namespace
}  // namespace ebb::worker

#include "worker/training_computer.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/job/specification.h"
#include "common/job/validate.h"
#include "common/job/yaml.h"
#include "common/testing/test_folder.h"
#include "data/order.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/emulated_gpu.h"
#include "worker/job_data.h"

namespace ebb::worker {
namespace {

using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

constexpr int64_t kExamples = 37;
constexpr int64_t kFeatures = 3;

// The label of an example is its number modulo two, its features are
// functions of the number, so what was read is known.
int64_t Byte(int64_t example, int64_t feature) {
  return (example * 7 + feature * 3) % 11;
}
float Feature(int64_t example, int64_t feature) {
  return 0.25F * static_cast<float>(Byte(example, feature));
}

class TrainingComputerTest : public testing::Test {
 protected:
  std::string WriteCsv(const std::string& name, int64_t examples) {
    std::string path = folder_ / name;
    std::ofstream out(path);
    for (int64_t i = 0; i < examples; ++i) {
      for (int64_t f = 0; f < kFeatures; ++f) out << Feature(i, f) << ",";
      out << i % 2 << "\n";
    }
    return path;
  }
  std::string WriteLibsvm(const std::string& name, int64_t examples) {
    std::string path = folder_ / name;
    std::ofstream out(path);
    for (int64_t i = 0; i < examples; ++i) {
      out << i % 2;
      for (int64_t f = 0; f < kFeatures; ++f) {
        out << " " << f + 1 << ":" << Feature(i, f);
      }
      out << "\n";
    }
    return path;
  }

  // The front of the names of two files.
  std::string WriteIdx(const std::string& name, int64_t examples) {
    std::string prefix = folder_ / name;
    const auto count = static_cast<char>(examples);
    std::ofstream images(prefix + "-images-idx3-ubyte", std::ios::binary);
    images.write("\0\0\x08\x03\0\0\0", 7).put(count);
    images.write("\0\0\0\x01\0\0\0\x03", 8);
    std::ofstream labels(prefix + "-labels-idx1-ubyte", std::ios::binary);
    labels.write("\0\0\x08\x01\0\0\0", 7).put(count);
    for (int64_t i = 0; i < examples; ++i) {
      for (int64_t f = 0; f < kFeatures; ++f) {
        images.put(static_cast<char>(Byte(i, f)));
      }
      labels.put(static_cast<char>(i % 2));
    }
    return prefix;
  }

  // The record of the job as a submitter makes it, in three partitions.
  static JobRecordPtr Submit(const std::string& text) {
    auto job = job::ParseJobYaml(text, "job.yaml", nullptr);
    EXPECT_TRUE(job.ok()) << job.status();
    job::FillDefaults(&*job);
    const auto train = LoadTrainingData(*job);
    EXPECT_TRUE(train.ok()) << train.status();
    job::JobFacts facts;
    facts.examples = train->examples();
    facts.train_index = train->index().Encode();
    facts.train_index_hash = train->index().Hash();
    facts.order_version = data::kOrderVersion;
    facts.columns = ToProto(train->names());
    if (const auto test =
            TestSource(*job, LabelKindOf(train->index()), train->names())) {
      const auto examples = data::Dataset::LoadLike(*test, train->index());
      EXPECT_TRUE(examples.ok()) << examples.status();
      facts.test_index = examples->index().Encode();
    }
    const auto model = Model(*job, train->index());
    for (const auto& table : model->description().tables) {
      facts.tables.push_back({table.name, table.size(), table.init});
    }
    for (const auto& table : model->description().sparse_tables) {
      job::SparseTable& sparse = facts.sparse_tables.emplace_back();
      sparse.name = table.name;
      sparse.width = static_cast<int32_t>(table.width);
    }
    auto record = job::MakeJobRecord(*job, facts);
    EXPECT_TRUE(record.ok()) << record.status();
    record->id = JobId(5);
    record->plan.block_floats = 8;
    record->plan.partitions = 3;
    return std::make_shared<const JobRecord>(*std::move(record));
  }

  static std::unique_ptr<models::Model> Model(const v1::Job& job,
                                              const data::Index& index) {
    static auto* backend =
        models::CreateBackend({.kind = "reference"}).value().release();
    models::Registry registry;
    EXPECT_TRUE(models::RegisterBuiltinModels(&registry).ok());
    auto model = CreateModel(job, index, {}, &registry, backend);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // Values of all partitions, each a payload of its own in two slices.
  static client::PulledValuesPtr Pulled(const JobPlan& plan,
                                        const std::vector<float>& params) {
    auto values = std::make_shared<client::PulledValues>();
    for (int32_t p = 0; p < plan.partitions; ++p) {
      const auto [first, last] = plan.ParameterRange(PartitionId(p));
      auto part = std::make_shared<std::vector<float>>(params.begin() + first,
                                                       params.begin() + last);
      const auto bytes = std::as_bytes(std::span<const float>(*part));
      Payload payload;
      payload.Append(part, bytes.first(bytes.size() / 2));
      payload.Append(part, bytes.subspan(bytes.size() / 2));
      values->partitions.push_back(std::move(payload));
      values->updates.push_back(0);
    }
    return values;
  }

  static std::vector<float> Params(const JobPlan& plan) {
    std::vector<float> params(plan.parameters);
    for (size_t i = 0; i < params.size(); ++i) {
      params[i] = 0.1F * static_cast<float>(i % 7) - 0.3F;
    }
    return params;
  }

  template <typename T>
  static std::vector<T> Read(const Payload& payload) {
    std::vector<T> values(payload.size() / sizeof(T));
    payload.CopyTo(std::as_writable_bytes(std::span(values)));
    return values;
  }

  const TestFolder folder_;
};

// The gradient by the reference back end over the very examples, in one call.
std::vector<float> Expected(models::Model* model,
                            const std::vector<float>& params,
                            const std::vector<int64_t>& examples,
                            double* loss) {
  std::vector<float> features, labels;
  for (const int64_t example : examples) {
    for (int64_t f = 0; f < kFeatures; ++f) {
      features.push_back(Feature(example, f));
    }
    labels.push_back(static_cast<float>(example % 2));
  }
  models::BatchView view;
  view.rows = static_cast<int64_t>(examples.size());
  view.features = kFeatures;
  view.dense = features;
  view.labels = labels;
  std::vector<float> gradient(params.size());
  models::BatchStats stats;
  EXPECT_TRUE(model->Gradient(params, view, std::span(gradient), &stats).ok());
  *loss = stats.loss_sum;
  return gradient;
}

std::string JobText(const std::string& data, int epochs = 2) {
  return "model: {kind: mlp, layers: [3, 4, 2], activation: tanh}\n"
         "data: {" +
         data +
         ", standardise: false}\n"
         "train: {epochs: " +
         std::to_string(epochs) +
         ", batch: 4, item_examples: 10, shuffle_seed: 9}\n"
         "oracle: 3\n";
}

void CheckBatches(const JobRecordPtr& record, size_t read_ahead,
                  std::unique_ptr<models::Model> model,
                  const std::vector<float>& params,
                  const client::PulledValuesPtr& values) {
  const JobPlan& plan = record->plan;
  TrainingComputer computer({.read_ahead_batches = read_ahead});
  const absl::Status prepared = computer.Prepare(record);
  ASSERT_TRUE(prepared.ok()) << prepared;
  for (const ItemId item : {ItemId{0, 0}, ItemId{1, 3}, ItemId{1, 0}}) {
    const std::vector<int64_t> order =
        *data::Order(9, {plan.examples, plan.shard_size}).Of(item);
    for (int64_t begin = 0; begin < plan.ItemSize(item);) {
      const int64_t end = plan.BatchEnd(item, begin);

      const client::ComputeResult result =
          computer.Compute({record, Generation(1), item, begin, end, values});

      ASSERT_EQ(result.error, "");
      double loss = 0;
      const std::vector<float> expected =
          Expected(model.get(), params,
                   {order.begin() + begin, order.begin() + end}, &loss);
      std::vector<float> gradient(plan.parameters);
      result.gradient.CopyTo(std::as_writable_bytes(std::span(gradient)));
      EXPECT_THAT(gradient, Pointwise(FloatNear(1e-5), expected));
      EXPECT_NEAR(result.loss_sum, loss, 1e-5);
      EXPECT_EQ(result.ledger, ExpectedRow(item, begin, end));
      std::vector<uint64_t> sums(plan.partitions * 3);
      for (size_t i = 0; i < sums.size(); ++i) {
        for (int64_t position = begin; position < end; ++position) {
          sums[i] += OracleValue(item, position, static_cast<int64_t>(i));
        }
      }
      std::vector<uint64_t> oracle(sums.size());
      ASSERT_EQ(result.oracle.size(), sums.size() * 8);
      result.oracle.CopyTo(std::as_writable_bytes(std::span(oracle)));
      EXPECT_EQ(oracle, sums);
      begin = end;
    }
  }
}

TEST_F(TrainingComputerTest, BatchesAreThoseOfTheSpecifiedOrder) {
  const std::vector<std::string> sources = {
      "csv: " + WriteCsv("a.csv", kExamples),
      "libsvm: " + WriteLibsvm("a.libsvm", kExamples),
      "idx: " + WriteIdx("a", kExamples) + ", scale: 1/4",
  };
  for (const std::string& source : sources) {
    for (const size_t read_ahead : {0, 1, 3}) {
      SCOPED_TRACE(source + ", read ahead " + std::to_string(read_ahead));
      const auto record = Submit(JobText("train: {" + source + "}"));
      const auto specification = job::ReadSpecification(*record);
      const auto index = data::Index::Decode(specification->train_index());
      const std::vector<float> params = Params(record->plan);
      CheckBatches(record, read_ahead, Model(specification->job(), *index),
                   params, Pulled(record->plan, params));
    }
  }
}

TEST_F(TrainingComputerTest, AStepBackIsReadAgain) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  const auto values = Pulled(record->plan, Params(record->plan));
  TrainingComputer computer({});
  ASSERT_TRUE(computer.Prepare(record).ok());
  const auto compute = [&](int64_t begin) {
    return Read<float>(computer
                           .Compute({record, Generation(1), ItemId{0, 1}, begin,
                                     std::min<int64_t>(begin + 4, 10), values})
                           .gradient);
  };
  const auto first = compute(0), second = compute(4);

  EXPECT_EQ(compute(8).size(), static_cast<size_t>(record->plan.parameters));
  EXPECT_EQ(compute(0), first);
  EXPECT_EQ(compute(4), second);
  EXPECT_EQ(compute(4), second);
}

// Data, and four batches of 4 rows of 3 floats.
TEST_F(TrainingComputerTest, HoldsDataWithinItsBoundButForOneJob) {
  const auto first =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  auto second = std::make_shared<JobRecord>(*first);
  second->id = JobId(6);
  TrainingComputer computer({.data_bytes = 1}), unbounded({});

  ASSERT_TRUE(computer.Prepare(first).ok());
  const int64_t one = computer.held_bytes();
  EXPECT_GE(one, kExamples * (kFeatures + 1) * 4 + 4 * 4 * kFeatures * 4);
  EXPECT_LT(one, 3 * kExamples * (kFeatures + 1) * 4 + 4 * 4 * kFeatures * 4);
  ASSERT_TRUE(computer.Prepare(second).ok());
  EXPECT_EQ(computer.held_bytes(), one);

  ASSERT_TRUE(unbounded.Prepare(first).ok());
  ASSERT_TRUE(unbounded.Prepare(second).ok());
  EXPECT_EQ(unbounded.held_bytes(), 2 * one);
}

TEST_F(TrainingComputerTest, EvaluatesTheWholeTestData) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) +
                     "}, test: {csv: " + WriteCsv("b.csv", 25) + "}"));
  const std::vector<float> params = Params(record->plan);
  TrainingComputer computer({.evaluation_batch = 4});
  ASSERT_TRUE(computer.Prepare(record).ok());

  const EvaluationResult result =
      computer.Evaluate({record, 1, Pulled(record->plan, params)});

  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.examples, 25);
  const auto specification = job::ReadSpecification(*record);
  const auto index = data::Index::Decode(specification->train_index());
  const auto model = Model(specification->job(), *index);
  models::BatchStats sums;
  for (int64_t example = 0; example < 25; ++example) {
    const std::vector<float> features = {
        Feature(example, 0), Feature(example, 1), Feature(example, 2)};
    const std::vector<float> labels = {static_cast<float>(example % 2)};
    models::BatchView view;
    view.rows = 1;
    view.features = kFeatures;
    view.dense = features;
    view.labels = labels;
    models::BatchStats stats;
    ASSERT_TRUE(model->Evaluate(params, view, &stats).ok());
    sums += stats;
  }
  EXPECT_EQ(result.correct, sums.correct);
  EXPECT_NEAR(result.loss_sum, sums.loss_sum, 1e-4);
}

// Of logistic regression by keys: each feature is a key, whose weight is a row,
// and the bias is the only dense parameter.
class KeyedComputerTest : public TrainingComputerTest {
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

  // What servers answer to whoever asks for these rows.
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
    const auto record = Submit(
        "model: logistic\ndata: {train: {csv: " + WriteCsv("c.csv", kExamples) +
        "}, standardise: false}\n");
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
  EXPECT_THAT(result.error, HasSubstr("the values have gone astray"));
}

TEST_F(KeyedComputerTest, BatchesAreThoseOfTheSameModelOverColumns) {
  const JobPlan& plan = record_->plan;
  ASSERT_EQ(plan.parameters, 1);
  ASSERT_THAT(plan.sparse_tables, testing::SizeIs(1));
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
        computer_->Evaluate({record_, 1, Answered(*rows)});
    ASSERT_EQ(result.error, "");
    EXPECT_EQ(result.examples, std::min<int64_t>(10, 25 - examples));
    examples += result.examples;
    correct += result.correct;
    loss += result.loss_sum;
    last = (*rows)->last;
  }
  EXPECT_EQ(examples, 25);
  EXPECT_GT(correct, 0);
  std::vector<int64_t> all(25);
  std::iota(all.begin(), all.end(), 0);
  Expected(dense.get(), params, all, &expected);
  EXPECT_NEAR(loss, expected, 1e-4);
}

// Jobs that predict numbers reported a test accuracy of 0.
TEST_F(TrainingComputerTest, NumbersHaveNoAccuracy) {
  const std::string path = WriteCsv("a.csv", kExamples);
  const auto record = Submit(
      "model: linear\ntrain: {epochs: 1, batch: 4}\n"
      "data: {train: {csv: " +
      path + "}, test: {csv: " + path + "}}\n");
  const std::vector<float> params = Params(record->plan);
  TrainingComputer computer({});
  ASSERT_TRUE(computer.Prepare(record).ok());

  const EvaluationResult result =
      computer.Evaluate({record, 1, Pulled(record->plan, params)});

  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.correct, -1);
  EXPECT_GT(result.loss_sum, 0);
}

TEST_F(TrainingComputerTest, ChangedDataIsRefusedByName) {
  const std::string path = WriteCsv("a.csv", kExamples);
  const auto record = Submit(JobText("train: {csv: " + path + "}"));
  std::ofstream(path, std::ios::app) << "1,1,1,0\n";
  TrainingComputer computer({});

  const absl::Status status = computer.Prepare(record);

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST_F(TrainingComputerTest, MissingDataIsRefusedByName) {
  const std::string path = WriteCsv("a.csv", kExamples);
  const auto record = Submit(JobText("train: {csv: " + path + "}"));
  std::filesystem::remove(path);
  TrainingComputer computer({});

  const absl::Status status = computer.Prepare(record);

  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST_F(TrainingComputerTest, AnotherGridIsRefused) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  auto other = std::make_shared<JobRecord>(*record);
  other->plan.seed ^= 1;
  TrainingComputer computer({});

  EXPECT_EQ(computer.Prepare(other).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(TrainingComputerTest, AnotherModelIsRefused) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  auto other = std::make_shared<JobRecord>(*record);
  ++other->plan.parameters;
  TrainingComputer computer({});

  const absl::Status status = computer.Prepare(other);

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("parameters"));
}

TEST_F(TrainingComputerTest, DamagedSpecificationIsRefused) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  auto damaged = std::make_shared<JobRecord>(*record);
  damaged->specification = "\xff\xff";
  TrainingComputer computer({});

  EXPECT_EQ(computer.Prepare(damaged).code(), absl::StatusCode::kDataLoss);
}

TEST_F(TrainingComputerTest, ValuesThatAreNotFiniteAreSaidToBe) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  std::vector<float> params = Params(record->plan);
  params[3] = std::numeric_limits<float>::quiet_NaN();
  TrainingComputer computer({});

  const client::ComputeResult result =
      computer.Compute({record, Generation(1), ItemId{0, 0}, 0, 4,
                        Pulled(record->plan, params)});

  EXPECT_TRUE(result.non_finite);
  EXPECT_THAT(result.error, HasSubstr("the values have gone astray"));
  EXPECT_TRUE(result.gradient.empty());
}

TEST_F(TrainingComputerTest, AnExampleWithoutAFiniteGradientIsNamed) {
  std::ofstream(folder_ / "huge.csv") << "1,1,0\n1,2,1\n3e38,3e38,0\n2,1,1\n";
  const auto record =
      Submit("model: softmax\ndata: {train: {csv: " +
             std::string(folder_ / "huge.csv") +
             "}, standardise: false}\ntrain: {batch: 4, item_examples: 4}\n");
  TrainingComputer computer({});

  const client::ComputeResult result = computer.Compute(
      {record, Generation(1), ItemId{0, 0}, 0, 4,
       Pulled(record->plan, std::vector<float>(record->plan.parameters, 2))});

  EXPECT_TRUE(result.non_finite);
  EXPECT_THAT(result.error,
              testing::EndsWith(absl::StrCat(
                  "; the first example that alone has no finite one is ",
                  std::string(folder_ / "huge.csv"), ":3")));
}

// A line search compares all of what is minimised.
TEST_F(TrainingComputerTest, OfLbfgsTheLossHasThePenalty) {
  const std::string text =
      absl::StrReplaceAll(
          JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"),
          {{"tanh", "tanh, l2: 0.5"}}) +
      "consistency: {kind: rounds, examples: epoch}\n";
  const auto loss_of = [](const JobRecordPtr& record) {
    TrainingComputer computer({});
    const client::ComputeResult result =
        computer.Compute({record, Generation(1), ItemId{0, 0}, 0, 4,
                          Pulled(record->plan, Params(record->plan))});
    EXPECT_EQ(result.error, "");
    return result.loss_sum;
  };
  const auto record = Submit(text + "algorithm: lbfgs\n");
  // Of 3 x 4 and 4 x 2 weights; 4 biases are between them.
  const std::vector<float> params = Params(record->plan);
  double squares = 0;
  for (size_t i = 0; i < 24; ++i) {
    if (i < 12 || i >= 16) squares += double{params[i]} * double{params[i]};
  }
  EXPECT_NEAR(loss_of(record) - loss_of(Submit(text)), 4 * 0.5 / 2 * squares,
              1e-9);
}

TEST_F(TrainingComputerTest, PulledValuesOfAnotherSizeAreRefused) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  auto values = std::make_shared<client::PulledValues>();
  values->partitions.assign(3, Payload::Of(std::vector<float>(3)));
  TrainingComputer computer({});

  const client::ComputeResult result =
      computer.Compute({record, Generation(1), ItemId{0, 0}, 0, 4, values});

  EXPECT_THAT(result.error, HasSubstr("partition 0"));
  EXPECT_FALSE(result.non_finite);
}

TEST_F(TrainingComputerTest, KeepsAsManyJobsAsItMay) {
  const std::string path = WriteCsv("a.csv", kExamples);
  const auto first = Submit(JobText("train: {csv: " + path + "}"));
  auto second = std::make_shared<JobRecord>(*first);
  second->id = JobId(6);
  TrainingComputer computer({.jobs_in_memory = 1});
  ASSERT_TRUE(computer.Prepare(first).ok());
  ASSERT_TRUE(computer.Prepare(second).ok());

  // Loaded again, without being asked to.
  const client::ComputeResult result =
      computer.Compute({first, Generation(1), ItemId{0, 0}, 0, 4,
                        Pulled(first->plan, Params(first->plan))});

  EXPECT_EQ(result.error, "");
}

TEST_F(TrainingComputerTest, ABatchTakesAsLongAsOnASlowerMachine) {
  constexpr absl::Duration kBatchTime = absl::Milliseconds(30);
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  const auto values = Pulled(record->plan, Params(record->plan));
  TrainingComputer computer({.batch_time = kBatchTime});
  const absl::Time start = absl::Now();
  EXPECT_EQ(
      computer.Compute({record, Generation(1), ItemId{0, 0}, 0, 4, values})
          .error,
      "");
  EXPECT_GE(absl::Now() - start, kBatchTime);
}

// A worker that was asked to leave waited for its batch to last.
TEST_F(TrainingComputerTest, NoBatchIsMadeToLastOnceThereIsAHurry) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  const auto values = Pulled(record->plan, Params(record->plan));
  // Longer than a test may take.
  TrainingComputer computer({.batch_time = absl::Hours(10)});
  std::thread leaving([&] { computer.Hurry(); });
  for (const int64_t begin : {0, 4}) {
    EXPECT_EQ(computer
                  .Compute({record, Generation(1), ItemId{0, 0}, begin,
                            begin + 4, values})
                  .error,
              "");
  }
  leaving.join();
}

// On a device that is emulated, and looked at.
class DeviceComputerTest : public TrainingComputerTest {
 protected:
  DeviceComputerTest()
      : record_(Submit(
            "device: gpu\n" +
            JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"))) {
    TrainingComputerOptions options;
    // Which computes late, so that there is time to ask for the next batch.
    options.devices.make_gpu = [this](const models::gpu::GpuOptions&) {
      auto made = models::testing::MakeEmulatedGpu(
          {.order = models::testing::Schedule::Order::kCopiesEarly});
      gpu_ = made.get();
      return absl::StatusOr<std::unique_ptr<models::ComputeBackend>>(
          std::move(made));
    };
    computer_ = std::make_unique<TrainingComputer>(options);
    const absl::Status prepared = computer_->Prepare(record_);
    EXPECT_TRUE(prepared.ok()) << prepared;
  }

  client::PulledValuesPtr PulledFor(JobId job, float add) const {
    std::vector<float> params = Params(record_->plan);
    for (float& value : params) value += add;
    auto values =
        std::make_shared<client::PulledValues>(*Pulled(record_->plan, params));
    values->job = job;
    return values;
  }
  // Of the batch that begins there, by a worker without a device.
  std::vector<float> Gradient(int64_t begin, float add) {
    auto record = std::make_shared<JobRecord>(*Submit(
        JobText("train: {csv: " + std::string(folder_ / "a.csv") + "}")));
    TrainingComputer plain({});
    return Read<float>(plain
                           .Compute({record, Generation(1), kItem, begin,
                                     record->plan.BatchEnd(kItem, begin),
                                     PulledFor(record->id, add)})
                           .gradient);
  }
  // Copies that it took without staging.
  int64_t Compute(int64_t begin, const client::PulledValuesPtr& values,
                  const std::vector<float>& expected) {
    const int64_t before = gpu_->engine().direct_copies();
    const client::ComputeResult result =
        computer_->Compute({record_, Generation(1), kItem, begin,
                            record_->plan.BatchEnd(kItem, begin), values});
    EXPECT_EQ(result.error, "");
    EXPECT_THAT(Read<float>(result.gradient),
                Pointwise(FloatNear(1e-5), expected));
    return gpu_->engine().direct_copies() - before;
  }

  static constexpr ItemId kItem{0, 1};
  const JobRecordPtr record_;
  models::testing::EmulatedGpu* gpu_ = nullptr;
  std::unique_ptr<TrainingComputer> computer_;
};

// Of four tables, and of two layers of the gradient; the examples come with
// them, or before if they are read by then.
TEST_F(DeviceComputerTest, ExpectedValuesAreThereWhenTheirBatchComes) {
  constexpr int64_t kTables = 4, kLayers = 2, kOfExamples = 2;
  const JobId job = record_->id;
  auto values = PulledFor(job, 0);
  for (int64_t begin = 0; begin < 8; begin += 4) {
    const auto next = PulledFor(job, static_cast<float>(begin + 4));
    computer_->Expect(next);
    const int64_t copies =
        Compute(begin, values, Gradient(begin, static_cast<float>(begin)));
    const int64_t own = begin == 0 ? kTables : 0;
    EXPECT_GE(copies, own + kLayers + 1);
    EXPECT_LE(copies, own + kLayers + 1 + kOfExamples);
    values = next;
  }
  // The item's last batch, of which nothing comes after it.
  EXPECT_LE(Compute(8, values, Gradient(8, 8)), kLayers + 1);
}

TEST_F(DeviceComputerTest, OtherValuesThanWereExpectedAreComputedFrom) {
  const JobId job = record_->id;
  const auto values = PulledFor(job, 0), others = PulledFor(job, 2);
  const auto expected = Gradient(0, 0), expected_others = Gradient(4, 2);
  // Another batch's, that come to nothing.
  computer_->Expect(PulledFor(job, 1));
  Compute(0, values, expected);
  const auto dropped = PulledFor(job, 1);
  computer_->Expect(dropped);
  Compute(0, values, expected);
  Compute(4, others, expected_others);
  // Another job's, of which nothing is copied: the batch is the item's last.
  const auto expected_last = Gradient(8, 2);
  Compute(8, others, expected_last);
  const auto foreign = PulledFor(JobId(77), 1);
  computer_->Expect(foreign);
  EXPECT_EQ(Compute(8, others, expected_last), 2 + 1)
      << "two layers, and the examples anew";
  // Those of the batch itself, told too late; and what is no model.
  computer_->Expect(others);
  Compute(4, others, expected_others);
  auto broken = std::make_shared<client::PulledValues>();
  broken->job = job;
  computer_->Expect(broken);
  Compute(4, others, expected_others);
  // What was brought for a batch that came to nothing, and is wanted now.
  Compute(4, dropped, Gradient(4, 1));
}

// As a round's are.
TEST_F(DeviceComputerTest, ValuesThatStayAreCopiedOnce) {
  const auto values = PulledFor(record_->id, 0);
  const int64_t first = Compute(0, values, Gradient(0, 0));
  EXPECT_LE(Compute(4, values, Gradient(4, 0)), first - 3);
}

// On a device that can be lost.
TEST_F(TrainingComputerTest, ALostDeviceIsToldAndTheBatchFails) {
  const auto record =
      Submit("device: gpu\n" +
             JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  const auto values = Pulled(record->plan, Params(record->plan));
  models::testing::EmulatedGpu* gpu = nullptr;
  std::vector<std::string> lost;
  TrainingComputerOptions options;
  options.devices.make_gpu = [&](const models::gpu::GpuOptions&) {
    auto made = models::testing::MakeEmulatedGpu();
    gpu = made.get();
    return absl::StatusOr<std::unique_ptr<models::ComputeBackend>>(
        std::move(made));
  };
  options.devices.on_device_lost = [&](const absl::Status& status) {
    lost.emplace_back(status.message());
  };
  TrainingComputer computer(options);
  const auto compute = [&] {
    return computer.Compute(
        {record, Generation(1), ItemId{0, 0}, 0, 4, values});
  };
  EXPECT_EQ(compute().error, "");
  EXPECT_THAT(lost, testing::IsEmpty());
  const double busy = computer.device_time().busy_seconds;
  EXPECT_GT(busy, 0);
  EXPECT_EQ(computer.device_time().busy_share, 0) << "the first does not count";
  EXPECT_EQ(compute().error, "");
  EXPECT_GT(computer.device_time().busy_seconds, busy);
  EXPECT_GT(computer.device_time().busy_share, 0);
  // Of examples and values in and of the gradient out.
  EXPECT_GE(gpu->engine().direct_copies(), 3);

  gpu->engine().Lose();

  EXPECT_THAT(compute().error, HasSubstr("lost"));
  EXPECT_THAT(lost, testing::ElementsAre("emulated: lost"));
}

TEST_F(TrainingComputerTest, AJobThatWantsAGpuIsRefusedWhereThereIsNone) {
  const auto record =
      Submit("device: {kind: gpu, precision: bf16}\n" +
             JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  TrainingComputerOptions options;
  options.devices.use_gpu = false;
  TrainingComputer computer(options);
  const absl::Status refused = computer.Prepare(record);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("wants a GPU (device: gpu)"));
}

TEST_F(TrainingComputerTest, TheExampleThatCrashesEndsTheProcess) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  const auto values = Pulled(record->plan, Params(record->plan));
  const std::vector<int64_t> order =
      *data::Order(9, {record->plan.examples, record->plan.shard_size})
           .Of({0, 0});
  const auto compute = [&](int64_t begin) {
    TrainingComputer computer({.crash_at_example = order[5]});
    return computer.Compute(
        {record, Generation(1), ItemId{0, 0}, begin, begin + 4, values});
  };

  EXPECT_EQ(compute(0).error, "");
  EXPECT_EXIT(compute(4), testing::ExitedWithCode(134), "crashes this worker");
}

}  // namespace
}  // namespace ebb::worker

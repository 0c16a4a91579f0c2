#include "worker/training_computer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/steady_time.h"
#include "common/testing/wall_clock.h"
#include "data/byte_source.h"
#include "data/order.h"
#include "data/pack/packer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/specification.h"
#include "worker/testing/training_computer_fixture.h"

namespace ebb::worker {
namespace {

using ::testing::DoubleNear;
using testing::Expected;
using testing::Feature;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::JobText;
using testing::kExamples;
using testing::kFeatures;
using ::testing::Optional;
using ::testing::Pointwise;

class TrainingComputerTest : public testing::TrainingComputerFixture {
 protected:
  // Computes a batch of a table of four rows, with all values at `value`.
  client::ComputeResult ComputeFour(const std::string& name,
                                    const std::string& rows, float value) {
    std::ofstream(folder_ / name) << rows;
    const auto record = Submit(
        "model: softmax\ndata: {train: {csv: " + std::string(folder_ / name) +
        "}, standardise: false}\ntrain: {batch: 4, item_examples: 4}\n");
    TrainingComputer computer({});
    return computer.Compute(FirstBatch(
        record, Pulled(record->plan,
                       std::vector<float>(record->plan.parameters, value))));
  }
};

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

// What is frozen is taken from the first pull of a job, and from no other job.
TEST_F(TrainingComputerTest, FrozenTablesAreThoseOfTheirJob) {
  const std::string text =
      JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}");
  constexpr int64_t kFrozen = 3 * 4 + 4;
  const auto frozen = Submit(text + "freeze: [layer1.weights, layer1.bias]\n");
  auto other = std::make_shared<JobRecord>(*frozen);
  other->id = JobId(6);
  const JobPlan& plan = frozen->plan;
  const auto specification = job::ReadSpecification(*frozen);
  ASSERT_TRUE(specification.ok()) << specification.status();
  const auto index = data::Index::Decode(specification->train_index());
  auto whole = specification->job();
  whole.clear_freeze();
  const auto model = Model(whole, *index);
  // The values of one job, those of it that training has changed, and
  // another's.
  std::vector<float> first = Params(plan), later = first, others = first;
  for (int64_t i = kFrozen; i < plan.parameters; ++i) later[i] += 0.5F;
  for (float& value : others) value -= 0.25F;
  TrainingComputer computer({});
  const ItemId item{0, 1};
  const std::vector<int64_t> order =
      *data::Order(9, {plan.examples, plan.shard_size}).Of(item);
  const auto check = [&](const JobRecordPtr& record,
                         const std::vector<float>& params, int64_t begin) {
    const int64_t end = plan.BatchEnd(item, begin);
    const client::ComputeResult result = computer.Compute(
        {record, Generation(1), item, begin, end, Pulled(plan, params)});
    ASSERT_EQ(result.error, "");
    double loss = 0;
    const std::vector<float> expected =
        Expected(model.get(), params,
                 {order.begin() + begin, order.begin() + end}, &loss);
    EXPECT_NEAR(result.loss_sum, loss, 1e-5);
    const auto gradient = Read<float>(result.gradient);
    EXPECT_THAT(std::vector<float>(gradient.begin() + kFrozen, gradient.end()),
                Pointwise(FloatNear(1e-5),
                          std::vector<float>(expected.begin() + kFrozen,
                                             expected.end())));
  };
  check(frozen, first, 0);
  check(frozen, later, 4);
  check(frozen, later, 0);  // Its outputs are kept.
  check(other, others, 0);
  check(other, others, 4);
  check(frozen, first, 4);
}

TEST_F(TrainingComputerTest, AStepBackIsReadAgain) {
  const auto record = SubmitSmall();
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
  const auto first = SubmitSmall();
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

TEST_F(TrainingComputerTest, OutputsOfFrozenLayersLeaveRoomForValues) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}") +
             "freeze: [layer1.weights, layer1.bias]\n");
  TrainingComputer unbounded({}),
      bounded({
          .data_bytes = int64_t{1} << 20,
          .room_beside_values = [](const JobPlan&) { return int64_t{0}; },
      });
  ASSERT_TRUE(unbounded.Prepare(record).ok());
  ASSERT_TRUE(bounded.Prepare(record).ok());
  // Four outputs of each example, and their place.
  EXPECT_EQ(unbounded.held_bytes() - bounded.held_bytes(),
            kExamples * (4 + 4 * 4));
}

// Bug: what the first job might keep one day took the room of the second, so
// that the first job was dropped with its data.
TEST_F(TrainingComputerTest, OutputsOfFrozenLayersGiveWayToTheDataOfOthers) {
  const auto first =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}") +
             "freeze: [layer1.weights, layer1.bias]\n");
  auto second = std::make_shared<JobRecord>(*first);
  second->id = JobId(6);
  TrainingComputer unbounded({});
  ASSERT_TRUE(unbounded.Prepare(first).ok());
  constexpr int64_t kKept = kExamples * (4 + 4 * 4);
  const int64_t data = unbounded.held_bytes() - kKept;
  const auto held = [&](int64_t bound) {
    TrainingComputer computer({.data_bytes = bound});
    EXPECT_TRUE(computer.Prepare(first).ok());
    EXPECT_TRUE(computer.Prepare(second).ok());
    return computer.held_bytes();
  };

  EXPECT_EQ(held(2 * (data + kKept)), 2 * (data + kKept));
  // Some outputs of each; and none, as there is not even room for places.
  EXPECT_LE(held(2 * data + kKept), 2 * data + kKept);
  EXPECT_GT(held(2 * data + kKept), 2 * data + kKept - 2 * 16);
  EXPECT_EQ(held(2 * data + 100), 2 * data);
  // There is no room for the data of both.
  ASSERT_GT(data, kKept);
  EXPECT_EQ(held(2 * data - 1), data + kKept);
}

TEST_F(TrainingComputerTest, OutputsOfFrozenLayersAreTheSameAfterTheyGaveWay) {
  const auto first =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}") +
             "freeze: [layer1.weights, layer1.bias]\n");
  auto second = std::make_shared<JobRecord>(*first);
  second->id = JobId(6);
  const auto values = Pulled(first->plan, Params(first->plan));
  TrainingComputer unbounded({});
  ASSERT_TRUE(unbounded.Prepare(first).ok());
  TrainingComputer computer({.data_bytes = 2 * unbounded.held_bytes() - 300});
  const auto task = FirstBatch(first, values);
  // Without the elements of the frozen layer, which are not computed.
  const auto gradient = [&] {
    std::vector<float> of_all = Read<float>(computer.Compute(task).gradient);
    of_all.erase(of_all.begin(), of_all.begin() + 3 * 4 + 4);
    return of_all;
  };
  const auto before = gradient();
  ASSERT_TRUE(computer.Prepare(second).ok());
  EXPECT_GT(computer.held_bytes(), unbounded.held_bytes());
  EXPECT_EQ(gradient(), before);
}

TEST_F(TrainingComputerTest, EvaluatesTheWholeTestData) {
  const auto record =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) +
                     "}, test: {csv: " + WriteCsv("b.csv", 25) + "}"));
  const std::vector<float> params = Params(record->plan);
  TrainingComputer computer({.evaluation_batch = 4});
  ASSERT_TRUE(computer.Prepare(record).ok());

  const EvaluationResult result =
      *computer.Evaluate({record, 1, Pulled(record->plan, params)});

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
  EXPECT_THAT(result.figures.Find(kAccuracy),
              Optional(static_cast<double>(sums.correct) / 25));
  EXPECT_THAT(result.figures.Find(kLogLoss),
              Optional(DoubleNear(sums.loss_sum / 25, 1e-5)));
  EXPECT_EQ(std::accumulate(result.figures.confusion.begin(),
                            result.figures.confusion.end(), int64_t{0}),
            25);
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
      *computer.Evaluate({record, 1, Pulled(record->plan, params)});

  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.correct, -1);
  EXPECT_GT(result.loss_sum, 0);
  EXPECT_EQ(result.figures.Find(kAccuracy), std::nullopt);
  // The loss is half the squared error.
  EXPECT_THAT(
      result.figures.Find(kRmse),
      Optional(DoubleNear(
          std::sqrt(2 * result.loss_sum / static_cast<double>(result.examples)),
          1e-5)));
}

// Prices in the hundred thousands: the model sees them standardised, and people
// losses of prices.
TEST_F(TrainingComputerTest, LossesOfStandardisedLabelsAreInTheLabelsUnits) {
  std::ofstream(folder_ / "p.csv") << "1,100000\n2,300000\n3,500000\n";
  const std::string text =
      absl::StrCat("model: linear\ntrain: {batch: 3}\ndata: {train: {csv: ",
                   std::string(folder_ / "p.csv"),
                   "}, test: {csv: ", std::string(folder_ / "p.csv"), "}}\n");
  const auto record = Submit(text);
  const auto zeros = Pulled(record->plan, {0, 0});
  TrainingComputer computer({});
  ASSERT_TRUE(computer.Prepare(record).ok());

  const client::ComputeResult batch =
      computer.Compute({record, Generation(1), ItemId{0, 0}, 0, 3, zeros});
  const EvaluationResult tried = *computer.Evaluate({record, 1, zeros});

  // Nothing learned is the mean: (200000^2 + 0 + 200000^2) / 2.
  EXPECT_NEAR(batch.loss_sum, 4e10, 4e5);
  EXPECT_NEAR(tried.loss_sum, 4e10, 4e5);
  // The sum of -y x, and that of -y, of standardised features and labels.
  EXPECT_THAT(Read<float>(batch.gradient),
              Pointwise(FloatNear(1e-5), {-3.0F, 0.0F}));
}

TEST_F(TrainingComputerTest, ValuesThatAreNotFiniteAreSaidToBe) {
  const auto record = SubmitSmall();
  std::vector<float> params = Params(record->plan);
  params[3] = std::numeric_limits<float>::quiet_NaN();
  TrainingComputer computer({});

  const client::ComputeResult result =
      computer.Compute(FirstBatch(record, Pulled(record->plan, params)));

  EXPECT_TRUE(result.non_finite);
  EXPECT_THAT(result.error,
              HasSubstr("the model's values are no longer finite"));
  EXPECT_TRUE(result.gradient.empty());
}

TEST_F(TrainingComputerTest, AnExampleWithoutAFiniteGradientIsNamed) {
  const client::ComputeResult result =
      ComputeFour("huge.csv", "1,1,0\n1,2,1\n3e38,3e38,0\n2,1,1\n", 2);

  EXPECT_TRUE(result.non_finite);
  EXPECT_THAT(result.error,
              ::testing::EndsWith(absl::StrCat(
                  "; the first example that alone has no finite one is ",
                  std::string(folder_ / "huge.csv"),
                  ":3 (the model's values are of usual size: 2 at most)")));
}

TEST_F(TrainingComputerTest, DataThatIsTooLargeIsSaidToBe) {
  const client::ComputeResult result =
      ComputeFour("huge.csv", "3e38,3e38,0\n1,2,1\n2,1,1\n3e38,3e38,1\n", 2);

  EXPECT_THAT(result.error, HasSubstr("the data is too large (3e+38) (the "
                                      "model's values are of usual size"));
}

// Bug: the first row of ordinary data was blamed.
TEST_F(TrainingComputerTest, ValuesThatAreFarOffAreBlamedBeforeAnyExample) {
  const client::ComputeResult result =
      ComputeFour("raw.csv", "1,1,0\n1,2,1\n90000,80000,0\n2,1,1\n", 1e35);

  EXPECT_TRUE(result.non_finite);
  EXPECT_THAT(
      result.error,
      HasSubstr("; the model's values have grown to 1e+35: the training "
                "had diverged before this batch"));
  EXPECT_THAT(result.error, ::testing::Not(HasSubstr("raw.csv")));
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
    const client::ComputeResult result = computer.Compute(
        FirstBatch(record, Pulled(record->plan, Params(record->plan))));
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

TEST_F(TrainingComputerTest, KeepsAsManyJobsAsItMay) {
  const std::string path = WriteCsv("a.csv", kExamples);
  const auto first = Submit(JobText("train: {csv: " + path + "}"));
  auto second = std::make_shared<JobRecord>(*first);
  second->id = JobId(6);
  TrainingComputer computer({.jobs_in_memory = 1});
  ASSERT_TRUE(computer.Prepare(first).ok());
  ASSERT_TRUE(computer.Prepare(second).ok());

  // Loaded again, without being asked to.
  const client::ComputeResult result = computer.Compute(
      FirstBatch(first, Pulled(first->plan, Params(first->plan))));

  EXPECT_EQ(result.error, "");
}

// Bug: the batch failed, and after three tries of this kind it was poison.
TEST_F(TrainingComputerTest, ABatchWaitsForDataThatWasDroppedAndIsAway) {
  const auto first =
      Submit(JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  auto second = std::make_shared<JobRecord>(*first);
  second->id = JobId(6);
  bool away = false;
  TrainingComputerOptions options;
  options.jobs_in_memory = 1;
  options.open = [&](absl::string_view path)
      -> absl::StatusOr<std::unique_ptr<data::ByteSource>> {
    if (away) return absl::UnavailableError("the bucket is away");
    return data::OpenFile(path);
  };
  const auto values = Pulled(first->plan, Params(first->plan));
  const auto task = FirstBatch(first, values);
  TrainingComputer computer(options);
  computer.Hurry();  // It makes no pause.
  ASSERT_TRUE(computer.Prepare(second).ok());

  away = true;
  const int64_t steps = computer.steps();
  for (int i = 0; i < 3; ++i) {
    const client::ComputeResult waits = computer.Compute(task);
    EXPECT_EQ(waits.error, "");
    EXPECT_TRUE(waits.cancelled);
  }
  EXPECT_GT(computer.steps(), steps);
  away = false;
  const client::ComputeResult result = computer.Compute(task);
  EXPECT_EQ(result.error, "");
  EXPECT_FALSE(result.cancelled);

  options.data_patience = absl::ZeroDuration();
  TrainingComputer impatient(options);
  away = true;
  EXPECT_THAT(impatient.Compute(task).error,
              HasSubstr("the bucket is away; it was tried for 0"));
}

// Bug: a job that reads windows of a packed set paused when their file was away
// for a second, or a file of dropped data was.
TEST_F(TrainingComputerTest, WaitsForLocalFilesAsForABucket) {
  namespace fs = std::filesystem;
  const std::string csv = WriteCsv("a.csv", kExamples);
  const std::string packed = folder_ / "packed";
  ASSERT_TRUE(
      data::pack::PackSources({{"", {.path = csv}}}, packed, {.window = 10})
          .ok());
  for (const std::string& data :
       {"packed: " + packed, "csv: {path: " + csv + "}"}) {
    const std::string file =
        data[0] == 'p' ? packed + "/windows-00000.ebbp" : csv;
    ASSERT_TRUE(fs::exists(file)) << file;
    const auto first =
        Submit(JobText("train: {" + data + "}, test: {" + data + "}"));
    auto second = std::make_shared<JobRecord>(*first);
    second->id = JobId(6);
    const auto values = Pulled(first->plan, Params(first->plan));
    const auto task = FirstBatch(first, values);
    TrainingComputerOptions options;
    options.jobs_in_memory = 1;
    options.read_ahead_batches = 0;
    TrainingComputer computer(options);
    computer.Hurry();  // It makes no pause.
    ASSERT_TRUE(computer.Prepare(first).ok());
    // The rows of a table are in memory until another job needs the room.
    if (data[0] == 'c') {
      ASSERT_TRUE(computer.Prepare(second).ok());
    }

    const client::EvaluateTask evaluation{first, 1, values};
    fs::rename(file, file + ".away");
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(computer.Evaluate(evaluation)) << data;
      const client::ComputeResult waits = computer.Compute(task);
      EXPECT_EQ(waits.error, "") << data;
      EXPECT_TRUE(waits.cancelled) << data;
    }
    fs::rename(file + ".away", file);
    const client::ComputeResult result = computer.Compute(task);
    EXPECT_EQ(result.error, "") << data;
    EXPECT_FALSE(result.cancelled) << data;
    const auto evaluated = computer.Evaluate(evaluation);
    ASSERT_TRUE(evaluated) << data;
    EXPECT_EQ(evaluated->error, "") << data;
    EXPECT_EQ(evaluated->examples, kExamples) << data;

    options.data_patience = absl::ZeroDuration();
    TrainingComputer impatient(options);
    ASSERT_TRUE(impatient.Prepare(first).ok());
    if (data[0] == 'c') {
      ASSERT_TRUE(impatient.Prepare(second).ok());
    }
    fs::rename(file, file + ".away");
    EXPECT_THAT(impatient.Compute(task).error, HasSubstr("it was tried for 0"));
    EXPECT_THAT(impatient.Evaluate(evaluation)->error,
                HasSubstr("it was tried for 0"));
    fs::rename(file + ".away", file);
  }
}

TEST_F(TrainingComputerTest, ABatchTakesAsLongAsOnASlowerMachine) {
  constexpr absl::Duration kBatchTime = absl::Milliseconds(30);
  const auto record = SubmitSmall();
  const auto values = Pulled(record->plan, Params(record->plan));
  TrainingComputer computer({.batch_time = kBatchTime});
  const absl::Time start = SteadyNow();
  EXPECT_EQ(computer.Compute(FirstBatch(record, values)).error, "");
  EXPECT_GE(SteadyNow() - start, kBatchTime);
}

// A worker stood still for as long as its clock was set back.
TEST_F(TrainingComputerTest, ABatchLastsNoLongerIfTheWallClockIsSetBack) {
  const auto record = SubmitSmall();
  const auto values = Pulled(record->plan, Params(record->plan));
  TrainingComputer computer({.batch_time = absl::Milliseconds(30)});
  std::atomic<bool> done = false;  // Pairs with nothing: a flag.
  bool hung = false;
  std::thread person([&] {
    const absl::Time end = SteadyNow() + absl::Seconds(60);
    for (int hours = 1; !done && !hung; ++hours) {
      SetWallClock(-absl::Hours(hours));
      absl::SleepFor(absl::Milliseconds(1));
      hung = SteadyNow() > end;
    }
    computer.Hurry();
  });
  EXPECT_EQ(computer.Compute(FirstBatch(record, values)).error, "");
  done = true;
  person.join();
  EXPECT_FALSE(hung);
  SetWallClock(absl::ZeroDuration());
}

// A worker that was asked to leave waited for its batch to last.
TEST_F(TrainingComputerTest, NoBatchIsMadeToLastOnceThereIsAHurry) {
  const auto record = SubmitSmall();
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

TEST_F(TrainingComputerTest, TheExampleThatCrashesEndsTheProcess) {
  const auto record = SubmitSmall();
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
  EXPECT_EXIT(compute(4), ::testing::ExitedWithCode(134),
              "crashes this worker");
}

}  // namespace
}  // namespace ebb::worker

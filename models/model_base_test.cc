// The promises of all models, whatever they compute: checked on linear
// regression, where the numbers can be followed by hand.
#include "models/model_base.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/model_scores.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/keyed_batch.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::KeyedBatch;
using testing::SmallBatch;
using Floats = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class ModelBaseTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok()); }
  std::unique_ptr<Model> Create(ModelConfig config) {
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  std::unique_ptr<Model> Linear(double l2, double clip_norm) {
    ModelConfig config;
    config.kind = "linear";
    config.features = 1;
    config.l2 = l2;
    config.clip_norm = clip_norm;
    return Create(config);
  }
  std::unique_ptr<Model> Softmax() {
    ModelConfig config;
    config.kind = "softmax";
    config.features = 2;
    config.classes = 3;
    return Create(config);
  }

  std::unique_ptr<Model> Keyed(const std::string& kind, double l2 = 0) {
    ModelConfig config;
    config.kind = kind;
    config.features = 2;
    config.classes = kind == "matrix_factorisation" ? 0 : 2;
    config.l2 = l2;
    return Create(config);
  }

  std::unique_ptr<ComputeBackend> backend_ = testing::MakeBackend(GetParam());
  Registry registry_;
  BatchStats stats_;
};

TEST_P(ModelBaseTest, GradientIsTheSumOverTheBatch) {
  // From w = b = 0 the errors are 4 and 8.
  const SmallBatch examples({0.75f, 2}, {-4, -8});
  Floats grad(2, kNan);
  ASSERT_TRUE(
      Linear(0, 0)
          ->Gradient(Floats{0, 0}, examples.Dense(), std::span(grad), &stats_)
          .ok());
  EXPECT_THAT(grad, ElementsAre(4 * 0.75f + 8 * 2, 12));
  EXPECT_EQ(stats_.examples, 2);
  EXPECT_EQ(stats_.loss_sum, (16 + 64) / 2.0);
}

TEST_P(ModelBaseTest, L2CountsOncePerExampleAndSparesTheBias) {
  // w = 2, b = 5, x = 0, y = 5: no error, so only the penalty is left.
  const SmallBatch examples({0, 0, 0}, {5, 5, 5});
  Floats grad(2);
  ASSERT_TRUE(
      Linear(0.5, 0)
          ->Gradient(Floats{2, 5}, examples.Dense(), std::span(grad), &stats_)
          .ok());
  EXPECT_THAT(grad, ElementsAre(3 * 0.5f * 2, 0));
  EXPECT_EQ(stats_.loss_sum, 0) << "the loss of the predictions alone";
}

// Gradient includes the penalty's gradient, and leaves it out of the loss.
TEST_P(ModelBaseTest, ThePenaltyIsOfTheRegularizedTablesAlone) {
  const auto model = Linear(0.5, 0);
  EXPECT_EQ(Penalty(model->description(), 0.5, Floats{2, 5}), 0.5 / 2 * 4);
  EXPECT_EQ(Penalty(model->description(), 0, Floats{2, 5}), 0);
}

TEST_P(ModelBaseTest, ClippingShortensTheMeanGradient) {
  // Twice the error 4 with x = 0.75: the mean is (3, 4), of norm 5.
  const SmallBatch examples({0.75f, 0.75f}, {-4, -4});
  const auto clipped = [&](double clip_norm) {
    Floats grad(2);
    EXPECT_TRUE(
        Linear(0, clip_norm)
            ->Gradient(Floats{0, 0}, examples.Dense(), std::span(grad), &stats_)
            .ok());
    return grad;
  };
  EXPECT_THAT(clipped(0), ElementsAre(6, 8)) << "0 is off";
  EXPECT_THAT(clipped(5), ElementsAre(6, 8)) << "not longer than 5";
  EXPECT_THAT(clipped(2.5), ElementsAre(FloatNear(3, 1e-5), FloatNear(4, 1e-5)))
      << "a mean of (1.5, 2)";
  EXPECT_EQ(stats_.loss_sum, 16) << "as without clipping";
}

TEST_P(ModelBaseTest, ClippingIncludesL2) {
  // x = 0: the gradient is (l2 * w, error) = (3 * 1, 4).
  const SmallBatch examples({0}, {-4});
  Floats grad(2);
  ASSERT_TRUE(
      Linear(3, 2.5)
          ->Gradient(Floats{1, 0}, examples.Dense(), std::span(grad), &stats_)
          .ok());
  EXPECT_THAT(grad, ElementsAre(FloatNear(1.5f, 1e-5), FloatNear(2, 1e-5)));
}

// Evaluating and predicting at once gives what each of them gives.
TEST_P(ModelBaseTest, EvaluatesAndPredictsAtOnce) {
  auto model = Softmax();
  const SmallBatch examples({1, 0, 0.5f, 1}, {0, 2});
  const Floats params = {0.5f, -1, 0.25f, 1, 2, -0.5f, 0, 0.125f, 0};
  Floats outputs, both_outputs = {kNan};
  BatchStats both;
  ASSERT_TRUE(model->Evaluate(params, examples.Dense(), &stats_).ok());
  ASSERT_TRUE(model->Predict(params, examples.Dense(), &outputs).ok());
  ASSERT_TRUE(
      model->EvaluateAndPredict(params, examples.Dense(), &both, &both_outputs)
          .ok());
  EXPECT_EQ(both_outputs, outputs);
  EXPECT_EQ(both.examples, 2);
  EXPECT_EQ(both.loss_sum, stats_.loss_sum);
  EXPECT_EQ(both.correct, stats_.correct);
}

TEST_P(ModelBaseTest, FiguresSuitTheLabels) {
  const auto of_values = ScoresOf(Linear(0, 0)->description());
  ASSERT_TRUE(of_values.has_value());
  const auto of_classes = ScoresOf(Softmax()->description());
  ASSERT_TRUE(of_classes.has_value());
  ModelDescription own = Softmax()->description();
  own.outputs = 2;
  EXPECT_FALSE(ScoresOf(own).has_value());
}

TEST_P(ModelBaseTest, AnEmptyBatchHasAZeroGradient) {
  auto model = Softmax();
  BatchView batch;
  batch.features = 2;
  const Floats params(9, 1);
  Floats grad(9, kNan), outputs(4);
  EXPECT_TRUE(model->Gradient(params, batch, std::span(grad), &stats_).ok());
  EXPECT_THAT(grad, Each(0));
  EXPECT_EQ(stats_.examples, 0);
  EXPECT_TRUE(model->Evaluate(params, batch, &stats_).ok());
  EXPECT_TRUE(model->Predict(params, batch, &outputs).ok());
  EXPECT_THAT(outputs, ElementsAre());
}

TEST_P(ModelBaseTest, NonFiniteGradientsAreNamed) {
  auto model = Softmax();
  const SmallBatch good({1, 0, 0, 1}, {0, 2});
  Floats params(9), grad(9);
  params[7] = kNan;  // bias[1]; it reaches every score of every example.
  absl::Status status =
      model->Gradient(params, good.Dense(), std::span(grad), &stats_);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.message(),
            "non-finite gradient: nan at element 0 of weights, in the batch "
            "of 2 examples at epoch 2, shard 3, position 30");
  EXPECT_EQ(stats_.examples, 0);

  const SmallBatch bad({0, kNan, 0, 1}, {0, 2});
  status = model->Gradient(Floats(9), bad.Sparse(), std::span(grad), &stats_);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
}

TEST_P(ModelBaseTest, OverflowIsNotFiniteEvenWithClipping) {
  const SmallBatch examples({3e38f, 3e38f}, {-1, -1});
  Floats grad(2);
  const absl::Status status = Linear(0, 1)->Gradient(
      Floats{0, 0}, examples.Dense(), std::span(grad), &stats_);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(status.message(),
              HasSubstr("non-finite gradient: inf at element 0 of weights"));
}

TEST_P(ModelBaseTest, AWrongBatchIsRefusedBeforeItIsRead) {
  auto model = Softmax();
  const SmallBatch good({1, 0, 0, 1}, {0, 2});
  const Floats params(9);
  Floats grad(9);
  const auto message = [&](const BatchView& batch) {
    const absl::Status status =
        model->Gradient(params, batch, std::span(grad), &stats_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  BatchView batch = good.Dense();
  batch.features = 3;
  EXPECT_EQ(message(batch),
            "batch of 2 examples with 3 features; the model takes 2");
  batch = good.Dense();
  batch.dense = batch.dense.first(3);
  EXPECT_EQ(message(batch),
            "dense batch of 2 examples with 2 features: got 3 numbers");
  batch = good.Dense();
  batch.labels = batch.labels.first(1);
  EXPECT_EQ(message(batch), "batch of 2 examples: got 1 labels");

  const std::vector<int32_t> columns = {0, 2};
  batch = good.Sparse();
  batch.sparse.columns = columns;
  EXPECT_EQ(message(batch),
            "example at epoch 2, shard 3, position 31: column 2 is not among "
            "the 2 features");
  for (const std::vector<int64_t>& offsets :
       {std::vector<int64_t>{0, 1, 3}, {-1, 1, 2}, {0, 2, 1}}) {
    batch = good.Sparse();
    batch.sparse.row_offsets = offsets;
    EXPECT_EQ(message(batch),
              "sparse batch: row offsets must rise from 0 to at most 2");
  }
  batch = good.Sparse();
  batch.sparse.values = batch.sparse.values.first(1);
  EXPECT_THAT(message(batch), HasSubstr("2 columns and 1 values"));
}

TEST_P(ModelBaseTest, LabelsThatDoNotFitAreRefused) {
  auto softmax = Softmax();
  ModelConfig config;
  config.kind = "logistic";
  config.features = 2;
  config.classes = 2;
  auto logistic = Create(config);
  const auto message = [&](Model& model, float label) {
    const SmallBatch examples({1, 0, 0, 1}, {0, label});
    const Floats params(model.description().ParameterCount());
    Floats grad(params.size());
    const absl::Status status =
        model.Gradient(params, examples.Dense(), std::span(grad), &stats_);
    EXPECT_EQ(status, model.Evaluate(params, examples.Dense(), &stats_));
    return std::string(status.message());
  };
  const std::string place = "example at epoch 2, shard 3, position 31: ";
  const std::string classes =
      "; the model takes the numbers of classes, 0 to 2";
  EXPECT_EQ(message(*softmax, 2), "");
  EXPECT_EQ(message(*softmax, 3), place + "label 3" + classes);
  EXPECT_EQ(message(*softmax, -1), place + "label -1" + classes);
  EXPECT_EQ(message(*softmax, 0.5f), place + "label 0.5" + classes);
  EXPECT_EQ(message(*softmax, kNan), place + "label nan" + classes);
  EXPECT_EQ(message(*logistic, -1), "");
  EXPECT_EQ(message(*logistic, 2),
            place + "label 2; the model takes 0/1 or -1/+1");
}

TEST_P(ModelBaseTest, WrongSizesOfParametersAreRefused) {
  auto model = Softmax();
  const SmallBatch examples({1, 0, 0, 1}, {0, 2});
  Floats grad(9), small(8);
  EXPECT_EQ(model->Gradient(small, examples.Dense(), std::span(grad), &stats_)
                .message(),
            "got 8 parameters; the model has 9");
  EXPECT_EQ(model->Gradient(grad, examples.Dense(), std::span(small), &stats_)
                .message(),
            "got room for a gradient of 8 of 9 numbers");
  EXPECT_FALSE(model->Evaluate(small, examples.Dense(), &stats_).ok());
  Floats outputs;
  EXPECT_FALSE(model->Predict(small, examples.Dense(), &outputs).ok());
}

// Key 0 is in both examples (twice in the first), key 1 in the second, key 2 in
// none. Labels are predicted with certainty, so only the penalty is left.
TEST_P(ModelBaseTest, L2OfRowsCountsTheExamplesThatHaveTheKey) {
  const KeyedBatch examples(2, 3, {{{0, 0, 1}, {0, 1, 1}}, {{0, 0, 1}, {1, 1}}},
                            {1, 1});
  Floats grad(4, kNan);
  ASSERT_TRUE(Keyed("sparse_logistic", 0.5)
                  ->Gradient(Floats{1000, 2, 4, 8}, examples.View(),
                             std::span(grad), &stats_)
                  .ok());
  EXPECT_THAT(grad, ElementsAre(0, 2 * 0.5f * 2, 0.5f * 4, 0));
  EXPECT_EQ(stats_.loss_sum, 0);
}

TEST_P(ModelBaseTest, ClippingIncludesRows) {
  // Mean gradient 1/2 of the bias and of the one key: of norm sqrt(1/2).
  ModelConfig config;
  config.kind = "sparse_logistic";
  config.features = 1;
  config.classes = 2;
  config.clip_norm = 0.5;
  const KeyedBatch examples(1, 1, {{{0, 0, 1}}, {{0, 0, 1}}}, {0, 0});
  Floats grad(2, kNan);
  ASSERT_TRUE(
      Create(config)
          ->Gradient(Floats{0, 0}, examples.View(), std::span(grad), &stats_)
          .ok());
  const auto each = FloatNear(static_cast<float>(std::sqrt(0.5)), 1e-6);
  EXPECT_THAT(grad, ElementsAre(each, each));
}

TEST_P(ModelBaseTest, BatchesOfEmptyExamplesHaveNoKeys) {
  auto model = Keyed("deepfm");
  const Floats params(model->description().ParameterCount(), 0.25f);
  Floats grad(params.size(), kNan), outputs;
  const KeyedBatch examples(2, 0, {{}, {}}, {1, 0});
  EXPECT_TRUE(
      model->Gradient(params, examples.View(), std::span(grad), &stats_).ok());
  EXPECT_EQ(stats_.examples, 2);
  EXPECT_TRUE(model->Predict(params, examples.View(), &outputs).ok());
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0], outputs[1]);

  BatchView none;
  none.features = 2;
  EXPECT_TRUE(model->Gradient(params, none, std::span(grad), &stats_).ok());
  EXPECT_THAT(grad, Each(0));
}

// The factor 1e10 of key 0 times the value 1e30 of key 1 is the gradient of a
// factor of key 1; scores and the other gradients are finite.
TEST_P(ModelBaseTest, NonFiniteGradientsOfRowsAreNamed) {
  auto model = Keyed("fm");
  ASSERT_EQ(model->description().sparse_tables[1].width, 8);
  const KeyedBatch examples(2, 2, {{{0, 0, 1}, {1, 1, 1e30f}}}, {0});
  Floats params(1 + 2 * 9), grad(params.size());
  params[1 + 2 + 3] = 1e10f;
  const absl::Status status =
      model->Gradient(params, examples.View(), std::span(grad), &stats_);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.message(),
            "non-finite gradient: inf at element 3 of row 1 of factors (of the "
            "batch's 2 keys), in the batch of 1 examples at epoch 2, shard 3, "
            "position 30");
}

TEST_P(ModelBaseTest, KeyedAndOtherBatchesAreNotMixedUp) {
  const KeyedBatch keyed = KeyedBatch::Random(4, 2, 5, 2, 1);
  const SmallBatch small({1, 0, 0, 1}, {0, 1});
  const auto message = [&](Model& model, const BatchView& batch) {
    const Floats params(model.description().ParameterCount() +
                        batch.distinct_keys * model.description().RowFloats());
    Floats grad(params.size());
    const absl::Status status =
        model.Gradient(params, batch, std::span(grad), &stats_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status, model.Evaluate(params, batch, &stats_));
    return std::string(status.message());
  };
  EXPECT_THAT(message(*Softmax(), keyed.View()),
              HasSubstr("batch of 4 keyed examples with 5 keys: the model has "
                        "no sparse tables"));
  auto fm = Keyed("fm");
  EXPECT_THAT(message(*fm, small.Dense()),
              HasSubstr("batch of 2 examples that are not keyed: the model has "
                        "the sparse table weights"));
  EXPECT_THAT(message(*fm, small.Sparse()),
              HasSubstr("batch of 2 examples that are not keyed"));
}

TEST_P(ModelBaseTest, AWrongKeyedBatchIsRefusedBeforeItIsRead) {
  auto model = Keyed("fm");
  const KeyedBatch good(2, 2, {{{0, 0}, {1, 1}}, {{1, 0}}}, {0, 1});
  const auto message = [&](const BatchView& batch, size_t params = 1 + 2 * 9) {
    Floats grad(params);
    const absl::Status status =
        model->Gradient(Floats(params), batch, std::span(grad), &stats_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  BatchView batch = good.View();
  const std::vector<int32_t> columns = {0, 1, 2};
  batch.sparse.columns = columns;
  EXPECT_EQ(message(batch),
            "example at epoch 2, shard 3, position 31: column 2 is not among "
            "the 2 keys of the batch");
  batch = good.View();
  const std::vector<uint16_t> fields = {0, 1, 2};
  batch.fields = fields;
  EXPECT_EQ(message(batch),
            "example at epoch 2, shard 3, position 31: field 2 is not among "
            "the 2 fields");
  batch.fields = batch.fields.first(2);
  EXPECT_EQ(message(batch), "keyed batch of 3 entries: got 2 fields");
  batch = good.View();
  batch.features = 3;
  EXPECT_EQ(message(batch),
            "batch of 2 examples with 3 fields; the model takes 2");
  batch = good.View();
  batch.distinct_keys = int64_t{1} << 62;
  EXPECT_THAT(message(batch), HasSubstr("make the batch smaller"));
  batch.distinct_keys = -1;
  EXPECT_THAT(message(batch), HasSubstr("-1 keys"));
  EXPECT_EQ(message(good.View(), 1 + 9),
            "got 10 parameters; the model has 19 with rows of 2 keys");
}

TEST_P(ModelBaseTest, ARatingHasOneUserAndOneItem) {
  auto model = Keyed("matrix_factorisation");
  const auto status = [&](std::vector<KeyedBatch::Entry> entries) {
    const KeyedBatch examples(2, 3, {{{0, 0}, {1, 1}}, std::move(entries)},
                              {1, 2});
    Floats params(1 + 3 * 17), outputs;
    return model->Predict(params, examples.View(), &outputs);
  };
  EXPECT_TRUE(status({{0, 0}, {2, 1}}).ok());
  EXPECT_TRUE(status({{2, 1}, {0, 0}}).ok());
  for (const std::vector<KeyedBatch::Entry>& wrong :
       {std::vector<KeyedBatch::Entry>{},
        {{0, 0}},
        {{0, 0}, {1, 0}},
        {{0, 0}, {1, 1}, {2, 1}}}) {
    EXPECT_EQ(status(wrong).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status(wrong).message(),
                HasSubstr("position 31: is no rating"));
  }
}

TEST(BatchStatsTest, StatsAdd) {
  BatchStats sum = {2, 1.5, 1};
  sum += BatchStats{3, 0.5, 2};
  EXPECT_EQ(sum.examples, 5);
  EXPECT_EQ(sum.loss_sum, 2);
  EXPECT_EQ(sum.correct, 3);
}

INSTANTIATE_TEST_SUITE_P(All, ModelBaseTest,
                         ::testing::ValuesIn(testing::AllBackendNames()),
                         [](const auto& info) {
                           return testing::TestName(info.param);
                         });

}  // namespace
}  // namespace ebb::models

// Batches that are larger than a device's memory, and devices that are lost.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/model_base.h"
#include "models/registry.h"
#include "models/testing/emulated_gpu.h"
#include "models/testing/keyed_batch.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

using testing::EmulatedGpu;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::KeyedBatch;
using ::testing::Pointwise;
using testing::SmallBatch;
using Floats = std::vector<float>;

constexpr int64_t kRows = 600;

class ModelPartsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok()); }

  std::unique_ptr<Model> Create(const ModelConfig& config, EmulatedGpu* gpu) {
    auto model = registry_.Create(config, gpu);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  static ModelConfig Mlp() {
    ModelConfig config;
    config.kind = "mlp";
    config.features = 40;
    config.classes = 3;
    config.layers = {40, 64, 64, 3};
    config.dropout = 0.3;
    config.l2 = 0.01;
    config.clip_norm = 0.1;
    config.seed = 5;
    return config;
  }
  // Values of the dense tables and, for `keys`, of rows.
  static Floats Params(const Model& model, int64_t keys) {
    Floats params = InitialParameters(model.description(), 3);
    const int64_t floats = keys * model.description().RowFloats();
    for (int64_t i = 0; i < floats; ++i) {
      params.push_back(static_cast<float>(i % 17 - 8) / 16);
    }
    return params;
  }
  // Compares what `config` computes of `batch` with all memory, and with so
  // much beside what its parameters take.
  void ComparePartsOf(const ModelConfig& config, const BatchView& batch,
                      int64_t bytes) {
    auto whole = testing::MakeEmulatedGpu(), small = testing::MakeEmulatedGpu();
    auto whole_model = Create(config, whole.get());
    auto small_model = Create(config, small.get());
    const Floats params = Params(*whole_model, batch.distinct_keys);
    small->engine().set_memory_bytes(bytes);
    Floats expected(params.size()), grad(params.size());
    BatchStats expected_stats, stats;
    ASSERT_TRUE(
        whole_model->Gradient(params, batch, expected, &expected_stats).ok());
    const absl::Status status =
        small_model->Gradient(params, batch, grad, &stats);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_GT(small->engine().launches(), 2 * whole->engine().launches());
    EXPECT_THAT(grad, Pointwise(FloatNear(1e-3f), expected));
    EXPECT_EQ(stats.examples, kRows);
    EXPECT_NEAR(stats.loss_sum, expected_stats.loss_sum, 1e-3);
    EXPECT_EQ(stats.correct, expected_stats.correct);
    ASSERT_TRUE(whole_model->Evaluate(params, batch, &expected_stats).ok());
    ASSERT_TRUE(small_model->Evaluate(params, batch, &stats).ok());
    EXPECT_NEAR(stats.loss_sum, expected_stats.loss_sum, 1e-3);
    EXPECT_EQ(stats.correct, expected_stats.correct);
    Floats expected_outputs, outputs;
    ASSERT_TRUE(whole_model->Predict(params, batch, &expected_outputs).ok());
    ASSERT_TRUE(small_model->Predict(params, batch, &outputs).ok());
    EXPECT_THAT(outputs, Pointwise(FloatNear(1e-5f), expected_outputs));
  }

  Registry registry_;
};

// L2, clipping and dropout, whose masks are those of the whole batch.
TEST_F(ModelPartsTest, DensePartsMakeTheGradientOfTheBatch) {
  const SmallBatch batch(kRows, 40, 3, 1);
  ComparePartsOf(Mlp(), batch.Dense(), 400 << 10);
}

TEST_F(ModelPartsTest, SparsePartsMakeTheGradientOfTheBatch) {
  const SmallBatch batch(kRows, 40, 3, 1);
  ComparePartsOf(Mlp(), batch.Sparse(), 400 << 10);
}

TEST_F(ModelPartsTest, KeyedPartsMakeTheGradientOfTheBatch) {
  ModelConfig config;
  config.kind = "deepfm";
  config.features = 4;
  config.classes = 2;
  config.dim = 8;
  config.layers = {64, 64};
  config.l2 = 0.01;
  const KeyedBatch batch = KeyedBatch::Random(kRows, 4, 50, 2, 1);
  ComparePartsOf(config, batch.View(), 500 << 10);
}

TEST_F(ModelPartsTest, ASizeThatDidNotFitIsNotTriedAgain) {
  auto gpu = testing::MakeEmulatedGpu();
  auto model = Create(Mlp(), gpu.get());
  gpu->engine().set_memory_bytes(400 << 10);
  const SmallBatch batch(kRows, 40, 3, 1);
  const Floats params = Params(*model, 0);
  Floats grad(params.size());
  BatchStats stats;
  ASSERT_TRUE(model->Gradient(params, batch.Dense(), grad, &stats).ok());
  const int64_t first = gpu->engine().launches();
  ASSERT_TRUE(model->Gradient(params, batch.Dense(), grad, &stats).ok());
  const int64_t second = gpu->engine().launches() - first;
  ASSERT_TRUE(model->Gradient(params, batch.Dense(), grad, &stats).ok());
  EXPECT_LT(second, first);
  EXPECT_EQ(gpu->engine().launches() - first - second, second);
}

TEST_F(ModelPartsTest, MemoryTooSmallForOneExampleIsSaidWithSizes) {
  auto gpu = testing::MakeEmulatedGpu();
  auto model = Create(Mlp(), gpu.get());
  gpu->engine().set_memory_bytes(30 << 10);
  const SmallBatch batch(kRows, 40, 3, 1);
  const Floats params = Params(*model, 0);
  Floats grad(params.size());
  BatchStats stats;
  const absl::Status status =
      model->Gradient(params, batch.Dense(), grad, &stats);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("gpu-emulated: no room for "));
  EXPECT_THAT(status.message(), HasSubstr("one example at a time of a model"));
  gpu->engine().set_memory_bytes(10 << 20);
  EXPECT_TRUE(model->Gradient(params, batch.Dense(), grad, &stats).ok())
      << "it goes on where there is room";
}

TEST_F(ModelPartsTest, ALostDeviceIsSaidFromThenOn) {
  auto gpu = testing::MakeEmulatedGpu();
  auto model = Create(Mlp(), gpu.get());
  const SmallBatch batch(8, 40, 3, 1);
  const Floats params = Params(*model, 0);
  Floats grad(params.size()), outputs;
  BatchStats stats;
  ASSERT_TRUE(model->Gradient(params, batch.Dense(), grad, &stats).ok());
  gpu->engine().Lose();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(absl::IsUnavailable(
        model->Gradient(params, batch.Dense(), grad, &stats)));
    EXPECT_TRUE(
        absl::IsUnavailable(model->Evaluate(params, batch.Dense(), &stats)));
    EXPECT_TRUE(
        absl::IsUnavailable(model->Predict(params, batch.Dense(), &outputs)));
  }
}

}  // namespace
}  // namespace ebb::models

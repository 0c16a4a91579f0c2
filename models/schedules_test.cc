// Models on a device that copies beside computing, in every order that it may:
// what is computed is what the reference computes.
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/emulated_gpu.h"
#include "models/testing/keyed_batch.h"
#include "models/testing/small_batch.h"
#include "models/testing/small_mlp.h"

namespace ebb::models {
namespace {

using testing::EmulatedGpu;
using ::testing::FloatNear;
using testing::KeyedBatch;
using ::testing::Pointwise;
using testing::Schedule;
using testing::SmallBatch;
using testing::SmallMlp;
using Floats = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The schedule, and whether values and gradients lie in pinned memory.
class SchedulesTest
    : public ::testing::TestWithParam<std::tuple<Schedule, bool>> {
 protected:
  void SetUp() override { ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok()); }

  std::unique_ptr<Model> Create(const ModelConfig& config,
                                ComputeBackend* backend) {
    auto model = registry_.Create(config, backend);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // Some steps, each with other values, which are gone as soon as the model has
  // returned.
  void Compare(const ModelConfig& config, const std::vector<BatchView>& batches,
               int64_t memory_bytes = 0) {
    const auto reference = testing::MakeBackend("reference");
    const auto gpu = testing::MakeEmulatedGpu(std::get<0>(GetParam()));
    const auto wanted = Create(config, reference.get());
    const auto model = Create(config, gpu.get());
    if (memory_bytes > 0) gpu->engine().set_memory_bytes(memory_bytes);
    for (size_t step = 0; step < batches.size(); ++step) {
      SCOPED_TRACE(::testing::Message() << "step " << step);
      const BatchView& batch = batches[step];
      Floats params = InitialParameters(wanted->description(), 7 + step);
      const int64_t floats =
          batch.distinct_keys * wanted->description().RowFloats();
      for (int64_t i = 0; i < floats; ++i) {
        params.push_back(
            static_cast<float>((i + static_cast<int64_t>(step)) % 17 - 8) / 16);
      }
      Floats expected(params.size()), expected_outputs, outputs;
      BatchStats expected_stats, stats;
      ASSERT_TRUE(
          wanted->Gradient(params, batch, expected, &expected_stats).ok());
      const auto given = std::make_unique<Floats>(params);
      const auto grad = std::make_unique<Floats>(params.size(), kNan);
      auto pins = Pin(gpu.get(), {given.get(), grad.get()});
      const absl::Status status = model->Gradient(*given, batch, *grad, &stats);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_THAT(*grad, Pointwise(FloatNear(1e-3f), expected));
      EXPECT_NEAR(stats.loss_sum, expected_stats.loss_sum, 1e-3);
      EXPECT_EQ(stats.correct, expected_stats.correct);
      ASSERT_TRUE(wanted->Evaluate(params, batch, &expected_stats).ok());
      ASSERT_TRUE(model->Evaluate(*given, batch, &stats).ok());
      EXPECT_NEAR(stats.loss_sum, expected_stats.loss_sum, 1e-3);
      ASSERT_TRUE(wanted->Predict(params, batch, &expected_outputs).ok());
      ASSERT_TRUE(model->Predict(*given, batch, &outputs).ok());
      EXPECT_THAT(outputs, Pointwise(FloatNear(1e-5f), expected_outputs));
      pins.clear();
      given->assign(given->size(), kNan);
      grad->assign(grad->size(), kNan);
    }
    EXPECT_EQ(gpu->engine().direct_copies() > 0, std::get<1>(GetParam()));
  }

  static std::vector<std::shared_ptr<void>> Pin(
      EmulatedGpu* gpu, const std::vector<Floats*>& buffers) {
    std::vector<std::shared_ptr<void>> pins;
    for (Floats* buffer : buffers) {
      if (!std::get<1>(GetParam())) break;
      pins.push_back(
          gpu->PinHost(buffer->data(),
                       static_cast<int64_t>(buffer->size() * sizeof(float))));
    }
    return pins;
  }

  Registry registry_;
};

// The largest batch comes last, so that arrays grow and memory is used again.
const SmallBatch& Batch(int i) {
  static const auto* const kBatches = new std::vector<SmallBatch>{
      {9, 12, 3, 1}, {17, 12, 3, 2}, {5, 12, 3, 3}, {40, 12, 3, 4}};
  return kBatches->at(i);
}

TEST_P(SchedulesTest, LayersComeAndLeaveOneByOne) {
  ModelConfig config = SmallMlp();
  config.l2 = 0.01;
  Compare(config, {Batch(0).Dense(), Batch(1).Dense(), Batch(2).Sparse(),
                   Batch(3).Dense()});
}

TEST_P(SchedulesTest, AllOfIt) {
  ModelConfig config = SmallMlp();
  config.dropout = 0.3;
  config.l2 = 0.01;
  config.clip_norm = 0.1;
  Compare(config, {Batch(0).Dense(), Batch(3).Dense(), Batch(1).Sparse()});
}

// Parts, after a try that found no room with copies under way.
TEST_P(SchedulesTest, InParts) {
  ModelConfig config = SmallMlp();
  config.layers = {12, 16, 16, 3};
  config.l2 = 0.01;
  const SmallBatch batch(200, 12, 3, 5);
  Compare(config, {batch.Dense(), batch.Sparse()}, 40 << 10);
}

// Weights and biases of three layers: 960 and 80 bytes, 1600 and 80, 240 and
// 12, with copies of the given size worth it.
TEST_P(SchedulesTest, SmallTablesAreCopiedTogether) {
  const auto copies_of = [&](int64_t least_copy_bytes) {
    const auto reference = testing::MakeBackend("reference");
    const auto gpu = testing::MakeEmulatedGpu(std::get<0>(GetParam()));
    gpu->engine().set_least_copy_bytes(least_copy_bytes);
    const auto wanted = Create(SmallMlp(), reference.get());
    const auto model = Create(SmallMlp(), gpu.get());
    Floats params = InitialParameters(wanted->description(), 7);
    Floats grad(params.size(), kNan), expected(params.size());
    const auto bytes = static_cast<int64_t>(params.size() * sizeof(float));
    const auto values_pin = gpu->PinHost(params.data(), bytes);
    const auto grad_pin = gpu->PinHost(grad.data(), bytes);
    BatchStats stats;
    EXPECT_TRUE(
        wanted->Gradient(params, Batch(0).Dense(), expected, &stats).ok());
    EXPECT_TRUE(model->Gradient(params, Batch(0).Dense(), grad, &stats).ok());
    EXPECT_THAT(grad, Pointwise(FloatNear(1e-3f), expected));
    return gpu->engine().direct_copies();
  };
  EXPECT_EQ(copies_of(0), 6 + 3) << "tables in, layers out";
  // In, the last three; out, the last two layers.
  EXPECT_EQ(copies_of(1000), 4 + 2);
  EXPECT_EQ(copies_of(1 << 20), 1 + 1);
}

TEST_P(SchedulesTest, RowsOfKeys) {
  ModelConfig config;
  config.features = 4;
  config.classes = 2;
  config.l2 = 0.01;
  const KeyedBatch first = KeyedBatch::Random(12, 4, 20, 2, 1);
  const KeyedBatch second = KeyedBatch::Random(30, 4, 50, 2, 2);
  for (const std::string kind : {"sparse_logistic", "fm", "ffm", "deepfm"}) {
    SCOPED_TRACE(kind);
    config.kind = kind;
    config.layers = {};
    config.rank = kind == "fm" || kind == "ffm" ? 3 : 0;
    config.dim = kind == "deepfm" ? 3 : 0;
    if (kind == "deepfm") config.layers = {8, 6};
    Compare(config, {first.View(), second.View(), first.View()});
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SchedulesTest,
    ::testing::Combine(::testing::ValuesIn(testing::ManySchedules(12)),
                       ::testing::Bool()),
    [](const auto& info) {
      return testing::NameOf(std::get<0>(info.param)) +
             (std::get<1>(info.param) ? "_pinned" : "_staged");
    });

}  // namespace
}  // namespace ebb::models

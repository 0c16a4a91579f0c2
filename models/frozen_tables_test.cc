// Models of which tables are frozen: what they learn is the same, and costs
// less.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/model.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/small_batch.h"
#include "models/testing/small_mlp.h"

namespace ebb::models {
namespace {

using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using testing::SmallBatch;
using testing::SmallMlp;
using Floats = std::vector<float>;

constexpr int64_t kExamples = 24;

// The trained part of a gradient, and the loss.
struct Learnt {
  Floats grad;
  double loss = 0;
  friend bool operator==(const Learnt&, const Learnt&) = default;
};

class FrozenTablesTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok()); }

  std::unique_ptr<Model> Create(const ModelConfig& config) {
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  // The first two layers are frozen.
  static ModelConfig Frozen() {
    ModelConfig config = SmallMlp();
    config.examples = kExamples;
    config.frozen = {"layer1.weights", "layer1.bias", "layer2.weights",
                     "layer2.bias"};
    return config;
  }
  static Floats Params(const Model& model) {
    return InitialParameters(model.description(), 3);
  }
  // Learns in the tables that are not frozen.
  static Learnt Learn(const ModelConfig& config, const BatchView& batch,
                      Model* model) {
    const Floats params = Params(*model);
    // A value that is not written is not read, either.
    Floats grad(params.size(), std::numeric_limits<float>::quiet_NaN());
    BatchStats stats;
    const absl::Status status = model->Gradient(params, batch, grad, &stats);
    EXPECT_TRUE(status.ok()) << status;
    Learnt learnt = {.loss = stats.loss_sum};
    auto at = grad.begin();
    for (const TableShape& table : model->description().tables) {
      if (std::ranges::count(config.frozen, table.name) == 0) {
        learnt.grad.insert(learnt.grad.end(), at, at + table.size());
      }
      at += table.size();
    }
    return learnt;
  }

  Registry registry_;
  std::unique_ptr<ComputeBackend> backend_ = testing::MakeBackend(GetParam());
};

TEST_P(FrozenTablesTest, TheOthersHaveTheGradientOfAWholeModel) {
  const SmallBatch batch(10, 12, 3, 7);
  const std::vector<std::vector<std::string>> all = {
      {"layer1.weights"},
      {"layer1.weights", "layer1.bias"},
      {"layer1.bias", "layer2.weights"},
      {"layer3.weights", "layer2.bias"},
      {"layer1.weights", "layer1.bias", "layer2.weights", "layer2.bias"},
      {"layer1.weights", "layer1.bias", "layer2.weights", "layer2.bias",
       "layer3.weights"}};
  for (const auto& frozen : all) {
    for (const double dropout : {0.0, 0.3}) {
      for (const BatchView& view : {batch.Dense(), batch.Sparse()}) {
        ModelConfig config = Frozen();
        config.frozen = frozen;
        config.dropout = dropout;
        ModelConfig whole = config;
        whole.frozen.clear();
        const Learnt learnt = Learn(config, view, Create(config).get());
        const Learnt expected = Learn(config, view, Create(whole).get());
        EXPECT_THAT(learnt.grad, Pointwise(FloatNear(1e-4f), expected.grad))
            << ::testing::PrintToString(frozen);
        EXPECT_NEAR(learnt.loss, expected.loss, 1e-3);
      }
    }
  }
}

// Batches of the examples, in an order that is another in each epoch.
class Epochs {
 public:
  BatchView Batch(int64_t epoch, int64_t begin, int64_t rows, bool sparse) {
    numbers_.clear();
    dense_.clear();
    labels_.clear();
    for (int64_t i = begin; i < begin + rows; ++i) {
      // 7 and the number of examples have no common factor.
      const int64_t number = (i * 7 + epoch * 5) % kExamples;
      numbers_.push_back(number);
      const auto from = all_.dense().begin() + number * 12;
      dense_.insert(dense_.end(), from, from + 12);
      labels_.push_back(all_.labels()[number]);
    }
    batch_ = SmallBatch(dense_, labels_);
    BatchView view = sparse ? batch_.Sparse() : batch_.Dense();
    view.training_numbers = numbers_;
    view.epoch = static_cast<int32_t>(epoch);
    view.first_position = begin;
    return view;
  }

 private:
  SmallBatch all_{kExamples, 12, 3, 11};
  std::vector<int64_t> numbers_;
  Floats dense_, labels_;
  SmallBatch batch_{1, 12, 3, 1};
};

TEST_P(FrozenTablesTest, WhatIsKeptHasTheSameBits) {
  for (const char* activation : {"relu", "tanh"}) {
    for (const double dropout : {0.0, 0.3}) {
      for (const bool sparse : {false, true}) {
        ModelConfig config = Frozen();
        config.activation = activation;
        config.dropout = dropout;
        auto with = Create(config), some = Create(config),
             without = Create(config);
        some->KeepAtMost(kExamples * 4 + 9 * 20 * 4);
        without->KeepAtMost(0);
        Epochs epochs;
        for (int64_t epoch = 0; epoch < 3; ++epoch) {
          // The last batch of an epoch is short.
          const int64_t batch = 7 - epoch;
          for (int64_t begin = 0; begin < kExamples; begin += batch) {
            const BatchView view = epochs.Batch(
                epoch, begin, std::min(batch, kExamples - begin), sparse);
            const Learnt expected = Learn(config, view, without.get());
            EXPECT_EQ(Learn(config, view, with.get()), expected);
            EXPECT_EQ(Learn(config, view, some.get()), expected);
          }
        }
      }
    }
  }
}

TEST_P(FrozenTablesTest, TheBoundMayChangeWhileBatchesAreComputed) {
  const ModelConfig config = Frozen();
  auto model = Create(config), without = Create(config);
  without->KeepAtMost(0);
  std::atomic<bool> ended = false;
  std::thread changing([&] {
    for (int64_t rows = 0; !ended; rows = (rows + 5) % kExamples) {
      model->KeepAtMost(kExamples * 4 + rows * 20 * 4);
      std::this_thread::yield();
    }
  });
  Epochs epochs;
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    for (int64_t begin = 0; begin < kExamples; begin += 6) {
      const BatchView view = epochs.Batch(epoch, begin, 6, /*sparse=*/false);
      EXPECT_EQ(Learn(config, view, model.get()),
                Learn(config, view, without.get()));
    }
  }
  ended = true;
  changing.join();
}

TEST_P(FrozenTablesTest, FrozenLayersAreComputedOnceForAnExample) {
  if (!backend_->has_rows_apart()) return;  // It keeps nothing.
  const ModelConfig config = Frozen();
  auto model = Create(config);
  EXPECT_EQ(model->KeptBytes(/*sparse=*/false), kExamples * (4 + 20 * 4));
  Epochs epochs;
  BatchView view = epochs.Batch(0, 0, 6, /*sparse=*/false);
  const Learnt first = Learn(config, view, model.get());
  // They are not read any more.
  const Floats zeros(view.dense.size(), 0);
  view.dense = zeros;
  EXPECT_EQ(Learn(config, view, model.get()), first);
  // Test examples have no numbers, and are always computed.
  view.training_numbers = {};
  EXPECT_NE(Learn(config, view, model.get()), first);
  ASSERT_TRUE(model->GivesUpKept());
  model->KeepAtMost(0);
  EXPECT_EQ(model->KeptBytes(/*sparse=*/false), 0);
  EXPECT_NE(Learn(config, epochs.Batch(0, 0, 6, false), model.get()).loss, 0);
}

TEST_P(FrozenTablesTest, NothingIsKeptWhereNoWholeLayerIsFrozen) {
  ModelConfig config = Frozen();
  for (const auto& frozen : std::vector<std::vector<std::string>>{
           {}, {"layer1.weights"}, {"layer2.weights", "layer2.bias"}}) {
    config.frozen = frozen;
    EXPECT_EQ(Create(config)->KeptBytes(/*sparse=*/false), 0);
  }
}

TEST_P(FrozenTablesTest, ANonFiniteElementIsNamedByItsTable) {
  ModelConfig config = Frozen();
  config.kind = "linear";
  config.layers = {};
  config.classes = 0;
  config.frozen = {"weights"};
  auto model = Create(config);
  Floats params = Params(*model), grad(params.size());
  params.back() = std::numeric_limits<float>::max();
  const SmallBatch batch(Floats(24, 1),
                         {-std::numeric_limits<float>::max(), 0});
  BatchStats stats;
  const absl::Status status =
      model->Gradient(params, batch.Dense(), grad, &stats);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("element 0 of bias"));
}

TEST_P(FrozenTablesTest, ClippingIsRefused) {
  ModelConfig config = Frozen();
  config.clip_norm = 1;
  EXPECT_THAT(
      std::string(registry_.Create(config, backend_.get()).status().message()),
      HasSubstr("train.clip_norm"));
}

INSTANTIATE_TEST_SUITE_P(Backends, FrozenTablesTest,
                         ::testing::ValuesIn(testing::AllBackendNames()),
                         [](const auto& info) {
                           return testing::TestName(info.param);
                         });

}  // namespace
}  // namespace ebb::models

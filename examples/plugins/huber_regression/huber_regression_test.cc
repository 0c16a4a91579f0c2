// The example, loaded as a worker loads it.
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/plugin.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;

class HuberRegressionTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok());
    auto kind =
        LoadPlugin("libhuber_regression.so", {EBB_PLUGIN_FOLDER}, &registry_);
    ASSERT_TRUE(kind.ok()) << kind.status();
    ASSERT_EQ(*kind, "huber");
  }
  static ModelConfig Config(const std::string& delta) {
    ModelConfig config;
    config.kind = "huber";
    config.features = 2;
    if (!delta.empty()) config.options["delta"] = delta;
    return config;
  }
  absl::StatusOr<std::unique_ptr<Model>> Create(const ModelConfig& config) {
    return registry_.Create(config, backend_.get());
  }

  std::unique_ptr<ComputeBackend> backend_ = testing::MakeBackend(GetParam());
  Registry registry_;
};

TEST_P(HuberRegressionTest, DescribesItself) {
  auto model = Create(Config(""));
  ASSERT_TRUE(model.ok()) << model.status();
  const ModelDescription& description = (*model)->description();
  ASSERT_EQ(description.tables.size(), 2u);
  EXPECT_EQ(description.tables[0].name, "weights");
  EXPECT_THAT(description.tables[0].dims, ElementsAre(2, 1));
  EXPECT_TRUE(description.tables[0].regularized);
  EXPECT_EQ(description.tables[1].name, "bias");
  EXPECT_EQ(description.ParameterCount(), 3);
  EXPECT_EQ(description.outputs, 1);
  EXPECT_EQ(description.labels, LabelKind::kValue);
}

// With w = (1, 2) and b = 3 the values are 4 and 5, the errors 0.5 and -5:
// one within delta = 2, one beyond it.
TEST_P(HuberRegressionTest, ComputesLossGradientAndValues) {
  auto model = Create(Config("2"));
  ASSERT_TRUE(model.ok()) << model.status();
  const testing::SmallBatch examples({1, 0, 0, 1}, {3.5f, 10});
  const std::vector<float> params = {1, 2, 3};
  for (const BatchView& batch : {examples.Dense(), examples.Sparse()}) {
    std::vector<float> grad(3, std::numeric_limits<float>::quiet_NaN());
    BatchStats stats;
    ASSERT_TRUE(
        (*model)->Gradient(params, batch, std::span(grad), &stats).ok());
    EXPECT_THAT(grad, ElementsAre(0.5f, -2, -1.5f));
    EXPECT_DOUBLE_EQ(stats.loss_sum, 0.125 + 2 * (5 - 1));
    BatchStats evaluated;
    ASSERT_TRUE((*model)->Evaluate(params, batch, &evaluated).ok());
    EXPECT_EQ(evaluated.loss_sum, stats.loss_sum);
    std::vector<float> outputs;
    ASSERT_TRUE((*model)->Predict(params, batch, &outputs).ok());
    EXPECT_THAT(outputs, ElementsAre(4, 5));
  }
}

TEST_P(HuberRegressionTest, GetsWhatEbbAddsForEveryModel) {
  ModelConfig config = Config("2");
  config.l2 = 0.5;
  auto model = Create(config);
  ASSERT_TRUE(model.ok()) << model.status();
  const testing::SmallBatch examples({1, 0, 0, 1}, {3.5f, 10});
  std::vector<float> grad(3);
  BatchStats stats;
  ASSERT_TRUE((*model)
                  ->Gradient(std::vector<float>{1, 2, 3}, examples.Dense(),
                             std::span(grad), &stats)
                  .ok());
  // The same as above, and twice 0.5 times the weights.
  EXPECT_THAT(grad, ElementsAre(1.5f, 0, -1.5f));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ((*model)
                ->Gradient(std::vector<float>{nan, 2, 3}, examples.Dense(),
                           std::span(grad), &stats)
                .code(),
            absl::StatusCode::kOutOfRange);
}

// Nine points on y = 2 x + 1 and one far off it, at which least squares would
// tilt the line.
TEST_P(HuberRegressionTest, AnOutlierHardlyMovesTheLine) {
  ModelConfig config = Config("0.1");
  config.features = 1;
  auto model = Create(config);
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<float> x, y;
  for (int i = 0; i < 10; ++i) {
    x.push_back(static_cast<float>(i - 4.5) / 5);
    y.push_back(i == 9 ? 50 : 2 * x.back() + 1);
  }
  const testing::SmallBatch examples(x, y);
  std::vector<float> params(2), grad(2);
  BatchStats stats;
  for (int step = 0; step < 5000; ++step) {
    ASSERT_TRUE(
        (*model)
            ->Gradient(params, examples.Dense(), std::span(grad), &stats)
            .ok());
    for (size_t i = 0; i < grad.size(); ++i) params[i] -= grad[i] * 0.1f;
  }
  EXPECT_THAT(params, ElementsAre(FloatNear(2, 0.1), FloatNear(1, 0.1)));
}

TEST_P(HuberRegressionTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(Create(Config("-1")).status().message(),
            "model.options.delta: \"-1\" is no number above 0\n"
            "hint: delta: 1");
  EXPECT_FALSE(Create(Config("two")).ok());
  ModelConfig config = Config("");
  config.options["dleta"] = "1";
  EXPECT_EQ(Create(config).status().message(),
            "model.options.dleta: huber has no such option\nhint: delta: 1");
  config = Config("");
  config.classes = 3;
  EXPECT_EQ(Create(config).status().message(),
            "model.labels: huber predicts values, but labels that are all "
            "whole numbers are taken for classes\nhint: labels: values");
}

TEST_P(HuberRegressionTest, ModelsOutliveTheRegistry) {
  auto model = Create(Config(""));
  ASSERT_TRUE(model.ok()) << model.status();
  registry_ = Registry();
  const testing::SmallBatch examples({1, 0}, {3});
  std::vector<float> outputs;
  ASSERT_TRUE(
      (*model)
          ->Predict(std::vector<float>{1, 2, 3}, examples.Dense(), &outputs)
          .ok());
  EXPECT_THAT(outputs, ElementsAre(4));
}

INSTANTIATE_TEST_SUITE_P(HostAndDevice, HuberRegressionTest,
                         ::testing::Values("eigen-baseline", "device"),
                         [](const auto& info) {
                           return testing::TestName(info.param);
                         });

}  // namespace
}  // namespace ebb::models

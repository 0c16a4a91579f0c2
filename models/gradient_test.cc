// Every built-in model against a program of its own: losses in double
// precision, written from their definitions, and their differences.
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/dropout.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

using testing::SmallBatch;
using Doubles = std::vector<double>;

constexpr int64_t kRows = 7;
constexpr int64_t kFeatures = 5;

// The loss of a batch, as the documentation has it.
class Oracle {
 public:
  Oracle(const ModelConfig& config, const SmallBatch& batch, bool drop)
      : config_(config), batch_(batch), drop_(drop && config.dropout > 0) {
    widths_ = config.layers;
    if (widths_.empty()) {
      const bool is_softmax = config.kind == "softmax";
      widths_ = {config.features, is_softmax ? config.classes : 1};
    }
  }

  double DataLoss(const Doubles& params) const {
    double sum = 0;
    for (int64_t row = 0; row < kRows; ++row) {
      const Doubles scores = Scores(params, row);
      const double label = batch_.labels()[row];
      if (config_.classes == 0) {
        sum += (scores[0] - label) * (scores[0] - label) / 2;
      } else if (scores.size() == 1) {
        sum += std::log(1 + std::exp(label > 0 ? -scores[0] : scores[0]));
      } else {
        double total = 0;
        for (const double score : scores) total += std::exp(score);
        sum += std::log(total) - scores[static_cast<size_t>(label)];
      }
    }
    return sum;
  }

  // With L2 of the weights.
  double Loss(const Doubles& params) const {
    double squares = 0;
    size_t at = 0;
    for (size_t i = 0; i + 1 < widths_.size(); ++i) {
      for (int64_t j = 0; j < widths_[i] * widths_[i + 1]; ++j, ++at) {
        squares += params[at] * params[at];
      }
      at += widths_[i + 1];
    }
    return DataLoss(params) + kRows * config_.l2 / 2 * squares;
  }

  Doubles Scores(const Doubles& params, int64_t row) const {
    Doubles units(batch_.dense().begin() + row * kFeatures,
                  batch_.dense().begin() + (row + 1) * kFeatures);
    size_t at = 0;
    for (size_t i = 0; i + 1 < widths_.size(); ++i) {
      const size_t outputs = widths_[i + 1];
      Doubles next(outputs);
      for (size_t j = 0; j < outputs; ++j) {
        next[j] = params[at + units.size() * outputs + j];
        for (size_t k = 0; k < units.size(); ++k) {
          next[j] += units[k] * params[at + k * outputs + j];
        }
      }
      at += (units.size() + 1) * outputs;
      if (i + 2 < widths_.size()) Hide(i, row, &next);
      units = next;
    }
    return units;
  }

 private:
  // Activation and dropout of a hidden layer.
  void Hide(size_t layer, int64_t row, Doubles* units) const {
    for (double& unit : *units) {
      if (config_.activation == "tanh") {
        unit = std::tanh(unit);
      } else if (config_.activation == "sigmoid") {
        unit = 1 / (1 + std::exp(-unit));
      } else {
        unit = std::max(unit, 0.0);
      }
    }
    if (!drop_) return;
    std::vector<float> mask(units->size());
    FillDropoutMask({config_.seed, 1, 2, 30 + row, static_cast<int>(layer)},
                    static_cast<float>(config_.dropout), 1, mask.size(),
                    mask.data());
    for (size_t j = 0; j < mask.size(); ++j) (*units)[j] *= mask[j];
  }

  const ModelConfig& config_;
  const SmallBatch& batch_;
  const bool drop_;
  std::vector<int64_t> widths_;
};

ModelConfig Config(const std::string& kind, int64_t classes,
                   std::vector<int64_t> layers = {}) {
  ModelConfig config;
  config.kind = kind;
  config.features = kFeatures;
  config.classes = classes;
  config.layers = std::move(layers);
  config.seed = 99;
  return config;
}

// Each kind, depth, loss and activation, with and without L2 and dropout.
std::vector<ModelConfig> AllConfigs() {
  std::vector<ModelConfig> bases = {Config("linear", 0),
                                    Config("logistic", 2),
                                    Config("softmax", 3),
                                    Config("mlp", 3, {kFeatures, 3}),
                                    Config("mlp", 0, {kFeatures, 4, 1}),
                                    Config("mlp", 2, {kFeatures, 4, 1}),
                                    Config("mlp", 3, {kFeatures, 6, 4, 3})};
  std::vector<ModelConfig> configs;
  for (const ModelConfig& base : bases) {
    for (const double l2 : {0.0, 0.3}) {
      configs.push_back(base);
      configs.back().l2 = l2;
      if (base.kind != "mlp") continue;
      for (const std::string activation : {"relu", "tanh", "sigmoid"}) {
        for (const double dropout : {0.0, 0.4}) {
          configs.push_back(base);
          configs.back().l2 = l2;
          configs.back().activation = activation;
          configs.back().dropout = dropout;
        }
      }
    }
  }
  return configs;
}

std::string Name(const ModelConfig& config) {
  return ::testing::PrintToString(config.layers) + " " + config.kind +
         " classes " + std::to_string(config.classes) + " " +
         config.activation + " dropout " + std::to_string(config.dropout) +
         " l2 " + std::to_string(config.l2);
}

class GradientTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok()); }
  std::unique_ptr<Model> Create(const ModelConfig& config) {
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  // Small random numbers for weights and biases alike.
  static std::vector<float> Params(const Model& model) {
    std::vector<float> params(model.description().ParameterCount());
    FillInitial(InitRule::Normal(0.5f), 3, "test", 0, std::span(params));
    return params;
  }

  std::unique_ptr<ComputeBackend> backend_ = testing::MakeBackend(GetParam());
  Registry registry_;
};

TEST_P(GradientTest, IsTheSlopeOfTheLoss) {
  for (const ModelConfig& config : AllConfigs()) {
    const SmallBatch examples(kRows, kFeatures, config.classes, 5);
    auto model = Create(config);
    const std::vector<float> params = Params(*model);
    std::vector<float> dense(params.size(), NAN), sparse(params.size(), NAN);
    BatchStats stats, sparse_stats;
    ASSERT_TRUE(
        model->Gradient(params, examples.Dense(), std::span(dense), &stats)
            .ok());
    ASSERT_TRUE(model
                    ->Gradient(params, examples.Sparse(), std::span(sparse),
                               &sparse_stats)
                    .ok());

    const Oracle oracle(config, examples, /*drop=*/true);
    Doubles point(params.begin(), params.end());
    SCOPED_TRACE(Name(config));
    EXPECT_EQ(stats.examples, kRows);
    EXPECT_NEAR(stats.loss_sum, oracle.DataLoss(point), 1e-5);
    EXPECT_NEAR(sparse_stats.loss_sum, oracle.DataLoss(point), 1e-5);
    for (size_t i = 0; i < point.size(); ++i) {
      constexpr double kStep = 1e-5;
      const double middle = point[i];
      point[i] = middle + kStep;
      const double above = oracle.Loss(point);
      point[i] = middle - kStep;
      const double below = oracle.Loss(point);
      point[i] = middle;
      const double slope = (above - below) / (2 * kStep);
      ASSERT_NEAR(dense[i], slope, 1e-5 * (1 + std::abs(slope))) << i;
      ASSERT_NEAR(sparse[i], slope, 1e-5 * (1 + std::abs(slope))) << i;
    }
  }
}

TEST_P(GradientTest, EvaluateAndPredictUseTheWholeNetwork) {
  for (const ModelConfig& config : AllConfigs()) {
    const SmallBatch examples(kRows, kFeatures, config.classes, 6);
    auto model = Create(config);
    const std::vector<float> params = Params(*model);
    BatchStats stats;
    ASSERT_TRUE(model->Evaluate(params, examples.Sparse(), &stats).ok());
    std::vector<float> outputs;
    BatchView unlabelled = examples.Dense();
    unlabelled.labels = {};
    ASSERT_TRUE(model->Predict(params, unlabelled, &outputs).ok());

    const Oracle oracle(config, examples, /*drop=*/false);
    const Doubles point(params.begin(), params.end());
    SCOPED_TRACE(Name(config));
    EXPECT_EQ(stats.examples, kRows);
    EXPECT_NEAR(stats.loss_sum, oracle.DataLoss(point), 1e-5);
    int64_t correct = 0;
    size_t at = 0;
    for (int64_t row = 0; row < kRows; ++row) {
      const Doubles scores = oracle.Scores(point, row);
      const auto label = static_cast<size_t>(examples.labels()[row]);
      if (config.classes == 0) {
        EXPECT_NEAR(outputs[at++], scores[0], 1e-5);
      } else if (scores.size() == 1) {
        EXPECT_NEAR(outputs[at++], 1 / (1 + std::exp(-scores[0])), 1e-5);
        correct += (scores[0] > 0) == (label == 1);
      } else {
        double total = 0;
        size_t best = 0;
        for (const double score : scores) total += std::exp(score);
        for (size_t j = 0; j < scores.size(); ++j) {
          EXPECT_NEAR(outputs[at++], std::exp(scores[j]) / total, 1e-5);
          if (scores[j] > scores[best]) best = j;
        }
        correct += best == label;
      }
    }
    EXPECT_EQ(at, outputs.size());
    EXPECT_EQ(stats.correct, correct);
  }
}

// The units that a batch drops depend on its place in the data alone, so that a
// batch that is computed twice contributes the same.
TEST_P(GradientTest, DropoutIsAFunctionOfThePlaceInTheData) {
  ModelConfig config = Config("mlp", 3, {kFeatures, 6, 3});
  config.dropout = 0.5;
  const SmallBatch examples(kRows, kFeatures, 3, 7);
  auto model = Create(config);
  const std::vector<float> params = Params(*model);
  const auto gradient = [&](Model& of, const BatchView& batch) {
    std::vector<float> grad(params.size());
    BatchStats stats;
    EXPECT_TRUE(of.Gradient(params, batch, std::span(grad), &stats).ok());
    return grad;
  };
  BatchView batch = examples.Dense();
  const std::vector<float> first = gradient(*model, batch);
  batch.first_position += 100;
  EXPECT_NE(gradient(*model, batch), first);
  batch.first_position -= 100;
  EXPECT_EQ(gradient(*model, batch), first);
  EXPECT_EQ(gradient(*Create(config), batch), first);
  config.seed += 1;
  EXPECT_NE(gradient(*Create(config), batch), first);
}

INSTANTIATE_TEST_SUITE_P(All, GradientTest,
                         ::testing::ValuesIn(testing::AllBackendNames()),
                         [](const auto& info) {
                           return testing::TestName(info.param);
                         });

}  // namespace
}  // namespace ebb::models

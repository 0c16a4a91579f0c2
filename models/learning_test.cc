// That following the gradients leads where theory says.
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backends.h"
#include "models/registry.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using testing::SmallBatch;

class LearningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok());
    auto backend = CreateBackend({});
    ASSERT_TRUE(backend.ok()) << backend.status();
    backend_ = *std::move(backend);
  }

  void Create(const ModelConfig& config) {
    auto model = registry_.Create(config, backend_.get());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    params_ = InitialParameters(model_->description(), config.seed);
  }

  // Gradient descent on the mean over the batch.
  void Descend(const BatchView& batch, int64_t steps, float rate) {
    std::vector<float> grad(params_.size());
    BatchStats stats;
    for (int64_t step = 0; step < steps; ++step) {
      ASSERT_TRUE(
          model_->Gradient(params_, batch, std::span(grad), &stats).ok());
      for (size_t i = 0; i < grad.size(); ++i) {
        params_[i] -= rate * grad[i] / static_cast<float>(batch.rows);
      }
    }
  }

  BatchStats Evaluate(const BatchView& batch) {
    BatchStats stats;
    EXPECT_TRUE(model_->Evaluate(params_, batch, &stats).ok());
    return stats;
  }

  Registry registry_;
  std::unique_ptr<ComputeBackend> backend_;
  std::unique_ptr<Model> model_;
  std::vector<float> params_;
};

// Solves the symmetric system a x = b by elimination; a is (n, n).
std::vector<double> Solve(std::vector<double> a, std::vector<double> b) {
  const size_t n = b.size();
  for (size_t pivot = 0; pivot < n; ++pivot) {
    for (size_t row = pivot + 1; row < n; ++row) {
      const double factor = a[row * n + pivot] / a[pivot * n + pivot];
      for (size_t j = pivot; j < n; ++j) {
        a[row * n + j] -= factor * a[pivot * n + j];
      }
      b[row] -= factor * b[pivot];
    }
  }
  for (size_t row = n; row-- > 0;) {
    for (size_t j = row + 1; j < n; ++j) b[row] -= a[row * n + j] * b[j];
    b[row] /= a[row * n + row];
  }
  return b;
}

// Adds weight * z z' to a and factor * z to b, where z is the row with a 1
// for the bias.
void AddRow(std::span<const float> row, double weight, double factor,
            std::vector<double>* a, std::vector<double>* b) {
  std::vector<double> z(row.begin(), row.end());
  z.push_back(1);
  for (size_t i = 0; i < z.size(); ++i) {
    for (size_t j = 0; j < z.size(); ++j) {
      (*a)[i * z.size() + j] += weight * z[i] * z[j];
    }
    (*b)[i] += factor * z[i];
  }
}

// One feature by hand: the line through (0, 1), (1, 3), (2, 5), with the
// penalty alpha = n * l2 = 2. Centred, x'x = 2 and x'y = 4, so the slope is
// 4 / (2 + 2) = 1 and the bias 3 - 1 = 2.
TEST_F(LearningTest, RidgeOfOneFeatureIsTheKnownLine) {
  ModelConfig config;
  config.kind = "linear";
  config.features = 1;
  config.l2 = 2.0 / 3;
  Create(config);
  const SmallBatch examples({0, 1, 2}, {1, 3, 5});
  Descend(examples.Dense(), 2000, 0.3f);
  EXPECT_THAT(params_, ElementsAre(FloatNear(1, 1e-4), FloatNear(2, 1e-4)));
  const BatchStats stats = Evaluate(examples.Dense());
  EXPECT_NEAR(stats.loss_sum, (1.0 + 0 + 1) / 2, 1e-3);  // -1, 0, 1 away.
  EXPECT_EQ(stats.correct, 0);
}

TEST_F(LearningTest, RidgeConvergesToTheNormalEquations) {
  constexpr int64_t kRows = 20, kFeatures = 4;
  constexpr double kL2 = 0.05;
  const SmallBatch examples(kRows, kFeatures, 0, 3);
  std::vector<double> a(25), b(5);
  for (int64_t r = 0; r < kRows; ++r) {
    AddRow(std::span(examples.dense()).subspan(r * kFeatures, kFeatures), 1,
           examples.labels()[r], &a, &b);
  }
  for (size_t i = 0; i < kFeatures; ++i) a[i * 5 + i] += kRows * kL2;
  const std::vector<double> expected = Solve(a, b);

  ModelConfig config;
  config.kind = "linear";
  config.features = kFeatures;
  config.l2 = kL2;
  Create(config);
  Descend(examples.Sparse(), 2000, 0.5f);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(params_[i], expected[i], 1e-5) << i;
  }
}

TEST_F(LearningTest, LogisticRegressionConvergesToNewtonsOptimum) {
  constexpr int64_t kRows = 40, kFeatures = 3;
  constexpr double kL2 = 0.02;
  const SmallBatch examples(kRows, kFeatures, 2, 4);
  // Newton's method on the sum of the losses.
  std::vector<double> w(kFeatures + 1);
  for (int iteration = 0; iteration < 20; ++iteration) {
    std::vector<double> hessian(16), gradient(4);
    for (int64_t r = 0; r < kRows; ++r) {
      const auto row =
          std::span(examples.dense()).subspan(r * kFeatures, kFeatures);
      double score = w[kFeatures];
      for (int64_t j = 0; j < kFeatures; ++j) score += w[j] * row[j];
      const double p = 1 / (1 + std::exp(-score));
      AddRow(row, p * (1 - p), p - examples.labels()[r], &hessian, &gradient);
    }
    for (size_t i = 0; i < kFeatures; ++i) {
      hessian[i * 4 + i] += kRows * kL2;
      gradient[i] += kRows * kL2 * w[i];
    }
    const std::vector<double> step = Solve(hessian, gradient);
    for (size_t i = 0; i < w.size(); ++i) w[i] -= step[i];
  }

  ModelConfig config;
  config.kind = "logistic";
  config.features = kFeatures;
  config.classes = 2;
  config.l2 = kL2;
  Create(config);
  Descend(examples.Dense(), 3000, 1.0f);
  for (size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(params_[i], w[i], 1e-4);
}

TEST_F(LearningTest, SoftmaxRegressionSeparatesWhatCanBeSeparated) {
  ModelConfig config;
  config.kind = "softmax";
  config.features = 2;
  config.classes = 3;
  Create(config);
  // Three clouds round the corners of a triangle.
  const SmallBatch examples({0, 2, 0.2f, 2.1f, -0.3f, 1.8f,    //
                             2, -1, 2.2f, -1.2f, 1.8f, -0.8f,  //
                             -2, -1, -2.1f, -0.7f, -1.9f, -1.3f},
                            {0, 0, 0, 1, 1, 1, 2, 2, 2});
  EXPECT_NEAR(Evaluate(examples.Dense()).loss_sum, 9 * std::log(3.0), 1e-5);
  Descend(examples.Dense(), 300, 1.0f);
  const BatchStats stats = Evaluate(examples.Dense());
  EXPECT_EQ(stats.correct, 9);
  EXPECT_LT(stats.loss_sum, 0.1);
}

TEST_F(LearningTest, PerceptronsLearnExclusiveOr) {
  const SmallBatch examples({0, 0, 0, 1, 1, 0, 1, 1}, {0, 1, 1, 0});
  for (const std::string activation : {"relu", "tanh", "sigmoid"}) {
    for (const int64_t outputs : {1, 2}) {
      ModelConfig config;
      config.kind = "mlp";
      config.features = 2;
      config.classes = 2;
      config.layers = {2, 16, 8, outputs};
      config.activation = activation;
      config.seed = 1;
      Create(config);
      Descend(examples.Dense(), 3000, activation == "sigmoid" ? 3.0f : 0.3f);
      EXPECT_EQ(Evaluate(examples.Dense()).correct, 4)
          << activation << " with " << outputs << " outputs";
    }
  }
}

// The loss goes to the dropped-out network; evaluation uses the whole one.
TEST_F(LearningTest, DropoutStillLearns) {
  ModelConfig config;
  config.kind = "mlp";
  config.features = 2;
  config.classes = 2;
  config.layers = {2, 32, 2};
  config.dropout = 0.3;
  config.seed = 2;
  Create(config);
  const SmallBatch examples({0, 0, 0, 1, 1, 0, 1, 1}, {0, 1, 1, 0});
  BatchView batch = examples.Dense();
  for (int step = 0; step < 300; ++step) {
    batch.first_position = 4 * step;
    Descend(batch, 1, 0.3f);
  }
  EXPECT_EQ(Evaluate(batch).correct, 4);
}

}  // namespace
}  // namespace ebb::models

#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/initializer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backend.h"
#include "models/batch.h"
#include "models/model.h"
#include "models/reference_backend.h"
#include "models/registry.h"
#include "workloads/words/model/word_entries.h"

namespace ebb::models {
namespace {

using workloads::kWordFields;

using ::testing::HasSubstr;

class WordVectorsTest : public ::testing::Test {
 protected:
  static constexpr int64_t kDim = 3, kKeys = 5;

  void SetUp() override {
    backend_ = MakeReferenceBackend();
    ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok());
    config_.kind = "word_vectors";
    config_.features = 1;
    config_.dim = kDim;
    auto model = registry_.Create(config_, backend_.get());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    params_.resize(kDim * kKeys);
    FillInitial(InitRule::Uniform(1), 3, "t", 0, params_);
  }
  // Two examples. The first has the pairs (0, 3) and (0, 2), the second one
  // has (1, 2).
  BatchView Batch() const {
    BatchView view;
    view.rows = 2;
    view.features = kWordFields;
    view.sparse = {offsets_, columns_, values_};
    view.fields = fields_;
    view.distinct_keys = kKeys;
    return view;
  }
  double Loss(const std::vector<float>& params) {
    BatchStats stats;
    EXPECT_TRUE(model_->Evaluate(params, Batch(), &stats).ok());
    EXPECT_EQ(stats.examples, 2);
    return stats.loss_sum;
  }

  const std::vector<int64_t> offsets_ = {0, 6, 9};
  const std::vector<uint16_t> fields_ = {0, 1, 2, 2, 1, 2, 0, 1, 2};
  const std::vector<int32_t> columns_ = {0, 3, 4, 4, 2, 3, 1, 2, 3};
  const std::vector<float> values_ = std::vector<float>(9, 1.0f);
  std::unique_ptr<ComputeBackend> backend_;
  Registry registry_;
  ModelConfig config_;
  std::unique_ptr<Model> model_;
  std::vector<float> params_;
};

TEST_F(WordVectorsTest, DescribesOneTableOfRows) {
  const ModelDescription& description = model_->description();
  EXPECT_EQ(description.ParameterCount(), 0);
  ASSERT_EQ(description.sparse_tables.size(), 1u);
  EXPECT_EQ(description.sparse_tables[0].name, "vectors");
  EXPECT_EQ(description.sparse_tables[0].width, kDim);
  EXPECT_EQ(description.sparse_tables[0].init, InitRule::Uniform(0.5f / kDim));
  EXPECT_EQ(description.labels, LabelKind::kNone);
}

TEST_F(WordVectorsTest, TheLossIsTheMeanOverPairs) {
  const auto loss_of = [&](int64_t centre, int64_t word, double sign) {
    double score = 0;
    for (int64_t i = 0; i < kDim; ++i) {
      score += params_[centre * kDim + i] * params_[word * kDim + i];
    }
    return std::log1p(std::exp(-sign * score));
  };
  const double pairs = loss_of(0, 3, 1) + 2 * loss_of(0, 4, -1) +
                       loss_of(0, 2, 1) + loss_of(0, 3, -1) + loss_of(1, 2, 1) +
                       loss_of(1, 3, -1);
  EXPECT_NEAR(Loss(params_), 2 * pairs / 3, 1e-5);
  std::vector<float> outputs;
  ASSERT_TRUE(model_->Predict(params_, Batch(), &outputs).ok());
  EXPECT_NEAR(outputs[1], loss_of(1, 2, 1) + loss_of(1, 3, -1), 1e-5);
}

TEST_F(WordVectorsTest, TheGradientIsThatOfTheLoss) {
  std::vector<float> grad(params_.size());
  BatchStats stats;
  ASSERT_TRUE(model_->Gradient(params_, Batch(), std::span(grad), &stats).ok());
  EXPECT_NEAR(stats.loss_sum, Loss(params_), 1e-6);
  for (size_t i = 0; i < params_.size(); ++i) {
    constexpr float kStep = 1e-2f;
    std::vector<float> moved = params_;
    moved[i] = params_[i] + kStep;
    const double above = Loss(moved);
    moved[i] = params_[i] - kStep;
    EXPECT_NEAR(grad[i], (above - Loss(moved)) / (2 * kStep), 1e-3) << i;
  }
}

TEST_F(WordVectorsTest, ABatchWithoutPairsHasNoGradient) {
  const std::vector<int64_t> none = {0, 0, 0};
  BatchView view;
  view.rows = 2;
  view.features = kWordFields;
  view.sparse.row_offsets = none;
  BatchStats stats;
  ASSERT_TRUE(model_->Gradient({}, view, {}, &stats).ok());
  EXPECT_EQ(stats.loss_sum, 0);
  EXPECT_EQ(stats.examples, 2);
  // Bug: its examples lowered the mean loss of the test data.
  ASSERT_TRUE(model_->Evaluate({}, view, &stats).ok());
  EXPECT_EQ(stats.examples, 0);
}

TEST_F(WordVectorsTest, RefusesWhatIsNoBatchOfPairs) {
  BatchStats stats;
  BatchView view = Batch();
  EXPECT_FALSE(
      model_->Evaluate(std::span(params_).first(3), view, &stats).ok());
  const std::vector<uint16_t> no_centre = {1, 1, 2, 2, 1, 2, 0, 1, 2};
  view.fields = no_centre;
  EXPECT_FALSE(model_->Evaluate(params_, view, &stats).ok());
  view = Batch();
  const std::vector<int32_t> beyond = {0, 5, 4, 4, 2, 3, 1, 2, 3};
  view.sparse.columns = beyond;
  EXPECT_FALSE(model_->Evaluate(params_, view, &stats).ok());
}

TEST_F(WordVectorsTest, RefusesSettingsThatItDoesNotHave) {
  config_.l2 = 0.1;
  EXPECT_THAT(
      std::string(registry_.Create(config_, backend_.get()).status().message()),
      HasSubstr("model.l2: word_vectors does not take it"));
  config_.l2 = 0;
  config_.dim = -1;
  EXPECT_FALSE(registry_.Create(config_, backend_.get()).ok());
}

}  // namespace
}  // namespace ebb::models

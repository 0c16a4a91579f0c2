#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/reference_backend.h"
#include "models/registry.h"
#include "workloads/boosted/base/boosted_shape.h"

namespace ebb::models {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

// Two features of three intervals, up to 1, up to 2 and above. The first tree
// is complete: feature 0 up to 1 goes left (a leaf of 0.5), else right, where
// feature 1 up to 2 goes left (-1), else right (2). Missing values go right.
// The second has its root open.
class BoostedTreesTest : public ::testing::Test {
 protected:
  void SetUp() override { Make({}); }

  void Make(ModelConfig config) {
    config.kind = "boosted_trees";
    config.features = 2;
    if (config.classes == 0) config.classes = 2;
    if (config.examples == 0) config.examples = 100;
    config.trees = 3;
    config.depth = 2;
    config.bins = 3;
    ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok() || model_ != nullptr);
    auto model = registry_.Create(config, backend_.get());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    params_.assign(shape_.Parameters(), 0);
    params_[0] = 0.25;
    std::ranges::copy(std::vector<float>{1, 2, 1, 2}, params_.begin() + 1);
    for (int64_t at = shape_.NodesAt(); at < shape_.OpenAt(); at += 5) {
      params_[at] = -1;
    }
    const std::vector<float> tree = {0,  0, 1, 1, 9,     //
                                     -1, 0, 0, 0, 0.5f,  //
                                     1,  1, 1, 3, 8,     //
                                     -1, 0, 0, 0, -1,    //
                                     -1, 0, 0, 0, 2};
    std::ranges::copy(tree, params_.begin() + shape_.NodesAt());
    params_[shape_.OpenAt()] = 1;
    params_[shape_.OpenAt() + 1] = 1;
  }

  std::vector<float> Sums(const BatchView& batch) {
    std::vector<float> grad(params_.size());
    BatchStats stats;
    const absl::Status status = model_->Gradient(params_, batch, grad, &stats);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(std::all_of(grad.begin(), grad.begin() + shape_.ValidationAt(),
                            [](float one) { return one == 0; }));
    grad_ = grad;
    loss_ = stats.loss_sum;
    grad.erase(grad.begin(), grad.begin() + shape_.HistogramsAt());
    return grad;
  }

  BatchView Dense(const std::vector<float>& values,
                  const std::vector<float>& labels,
                  const std::vector<int64_t>& numbers = {}) {
    BatchView batch;
    batch.rows = std::ssize(labels);
    batch.features = 2;
    batch.dense = values;
    batch.labels = labels;
    batch.training_numbers = numbers;
    return batch;
  }

  BoostedShape shape_ = {
      .features = 2, .outputs = 1, .trees = 3, .depth = 2, .bins = 3};
  std::unique_ptr<ComputeBackend> backend_ = MakeReferenceBackend();
  Registry registry_;
  std::unique_ptr<Model> model_;
  std::vector<float> params_;
  std::vector<float> grad_;
  double loss_ = 0;
};

float Sigmoid(float margin) { return 1 / (1 + std::exp(-margin)); }

TEST_F(BoostedTreesTest, PredictsTheSumOfTheLeaves) {
  const std::vector<float> rows = {1, 9, 1.5, 2, 1.5, 2.5, kMissing, kMissing};
  std::vector<float> out;
  ASSERT_TRUE(model_->Predict(params_, Dense(rows, {0, 0, 0, 0}), &out).ok());
  EXPECT_THAT(out,
              Pointwise(FloatNear(1e-6), {Sigmoid(0.75f), Sigmoid(-0.75f),
                                          Sigmoid(2.25f), Sigmoid(2.25f)}));
}

TEST_F(BoostedTreesTest, AddsEachExampleToTheCellsOfItsNode) {
  const std::vector<float> rows = {0.5, 3, 1.5, kMissing};
  const std::vector<float> labels = {1, 0};
  const std::vector<float> sums = Sums(Dense(rows, labels));
  const float p = Sigmoid(0.75f), q = Sigmoid(2.25f);
  const float g = p - 1, h = p * (1 - p), r = q, s = q * (1 - q);
  std::vector<float> expected = {g, h, 1, r, s, 1, 0, 0, 0, 0, 0, 0,   // x0
                                 0, 0, 0, 0, 0, 0, g, h, 1, r, s, 1};  // x1
  expected.resize(sums.size());
  EXPECT_THAT(sums, Pointwise(FloatNear(1e-6), expected));
  EXPECT_NEAR(loss_, -std::log(p) - std::log(1 - q), 1e-6);
}

TEST_F(BoostedTreesTest, SparseRowsHaveTheSumsOfDenseOnes) {
  params_[1] = -0.5;  // Zeros of feature 0 lie in its second interval.
  const std::vector<float> rows = {0, 3, -1, 0, 1.5, 2.5, 0, 0};
  const std::vector<float> labels = {1, 0, 1, 0};
  const std::vector<float> dense = Sums(Dense(rows, labels));
  // Feature 1 of the first row comes in two parts.
  const std::vector<int64_t> offsets = {0, 2, 3, 5, 5};
  const std::vector<int32_t> columns = {1, 1, 0, 0, 1};
  const std::vector<float> values = {1, 2, -1, 1.5, 2.5};
  BatchView batch;
  batch.rows = 4;
  batch.features = 2;
  batch.sparse = {offsets, columns, values};
  batch.labels = labels;
  EXPECT_THAT(Sums(batch), Pointwise(FloatNear(1e-6), dense));
}

TEST_F(BoostedTreesTest, KeptMarginsAreThoseOfAllTrees) {
  const std::vector<float> rows = {0.5, 3, 1.5, 1};
  const std::vector<float> labels = {1, 0};
  const std::vector<int64_t> numbers = {70, 3};
  params_[shape_.OpenAt()] = 0;  // None is complete yet.
  const std::vector<float> before = Sums(Dense(rows, labels));
  EXPECT_EQ(Sums(Dense(rows, labels, numbers)), before);
  params_[shape_.OpenAt()] = 1;
  const std::vector<float> after = Sums(Dense(rows, labels));
  EXPECT_NE(after, before);
  EXPECT_EQ(Sums(Dense(rows, labels, numbers)), after);
  // A server went back to an older round.
  params_[shape_.OpenAt()] = 0;
  EXPECT_EQ(Sums(Dense(rows, labels, numbers)), before);
}

TEST_F(BoostedTreesTest, SharesAreDrawnByTheNumber) {
  ModelConfig config;
  config.row_share = 0.5;
  Make(config);
  std::vector<float> rows, labels;
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < 1000; ++i) {
    rows.insert(rows.end(), {0.5, 3});
    labels.push_back(1);
    numbers.push_back(i);
  }
  const float of_first = Sums(Dense(rows, labels, numbers))[2];
  EXPECT_NEAR(of_first, 500, 60);
  EXPECT_EQ(Sums(Dense(rows, labels, numbers))[2], of_first);
  std::ranges::reverse(numbers);
  EXPECT_EQ(Sums(Dense(rows, labels, numbers))[2], of_first);
}

// Whatever is kept of the examples, the sums are those of a plain loop, to the
// bit.
TEST_F(BoostedTreesTest, MemoryForExamplesChangesNoSum) {
  std::mt19937 draw(3);
  std::vector<float> rows, labels;
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < 90; ++i) {
    for (int f = 0; f < 2; ++f) {
      const auto value = static_cast<float>(draw() % 7) / 2;
      rows.push_back(value == 3 ? kMissing : value);
    }
    labels.push_back(static_cast<float>(draw() % 2));
    numbers.push_back(89 - i);
  }
  // The root of the second tree is split, and its right child is open.
  const std::vector<float> tree = {1, 0, 0,  1, 9, -1, 0, 0,
                                   0, 0, -1, 0, 0, 0,  0};
  std::ranges::copy(tree,
                    params_.begin() + shape_.NodesAt() + shape_.TreeFloats());
  params_[shape_.OpenAt() + 2] = 2;
  const auto bin_of = [](float value) {
    return std::isnan(value) ? 3 : value <= 1 ? 0 : value <= 2 ? 1 : 2;
  };
  std::vector<float> expected(shape_.Slots() * shape_.NodeFloats());
  for (int64_t i = 0; i < 90; ++i) {
    const float* const row = rows.data() + 2 * i;
    const float leaf = row[0] <= 1 ? 0.5f : row[1] <= 2 ? -1 : 2;
    const int right = bin_of(row[1]);
    if (right == 0 || right == 3) continue;
    const double p = 1 / (1 + std::exp(-double{0.25f + leaf}));
    for (int f = 0; f < 2; ++f) {
      float* const cell = expected.data() + (f * 4 + bin_of(row[f])) * 3;
      cell[0] += static_cast<float>(p - labels[i]);
      cell[1] += static_cast<float>(p * (1 - p));
      cell[2] += 1;
    }
  }
  EXPECT_GT(expected[2] + expected[5] + expected[8] + expected[11], 30);
  const BatchView batch = Dense(rows, labels, numbers);
  for (const int64_t bytes : {0, 100, 500, 100'000}) {
    Make({});
    std::ranges::copy(tree,
                      params_.begin() + shape_.NodesAt() + shape_.TreeFloats());
    params_[shape_.OpenAt() + 2] = 2;
    model_->KeepAtMost(bytes);
    EXPECT_LE(model_->KeptBytes(false), bytes);
    EXPECT_LE(model_->KeptBytes(true), model_->KeptBytes(false));
    for (int times = 0; times < 2; ++times) {
      EXPECT_EQ(Sums(batch), expected) << bytes;
    }
  }
  EXPECT_GT(model_->KeptBytes(false), 100 * 2);
}

TEST_F(BoostedTreesTest, ExamplesThatAreKeptBackAddOnlyTheirLoss) {
  const std::vector<float> rows = {0.5, 3, 1.5, 1, 2.5, 1, 0.5, 1};
  const std::vector<float> labels = {1, 0, 1, 0};
  // The seed is 0.
  std::vector<int64_t> kept_back, others;
  for (int64_t i = 0; kept_back.size() < 4 || others.size() < 4; ++i) {
    (IsKeptBack(0, 0.4, i) ? kept_back : others).push_back(i);
  }
  kept_back.resize(4);
  others.resize(4);
  const std::vector<float> without = Sums(Dense(rows, labels, others));
  const double loss = loss_;

  shape_.validates = true;
  ModelConfig config;
  config.validation_share = 0.4;
  Make(config);
  const auto validation = [&] {
    return std::vector<float>(
        grad_.begin() + shape_.ValidationAt(),
        grad_.begin() + shape_.ValidationAt() + BoostedValidation::kCount);
  };
  EXPECT_EQ(Sums(Dense(rows, labels, others)), without);
  EXPECT_EQ(loss_, loss);
  EXPECT_THAT(validation(), ElementsAre(0, 0));
  EXPECT_THAT(Sums(Dense(rows, labels, kept_back)), Each(0));
  EXPECT_EQ(loss_, loss);
  EXPECT_THAT(validation(), ElementsAre(static_cast<float>(loss), 4));

  // One of them beside three others.
  others[1] = kept_back[1];
  const std::vector<float> three = Sums(Dense(rows, labels, others));
  EXPECT_EQ(three[2] + three[5] + three[8] + three[11],
            without[2] + without[5] + without[8] + without[11] - 1);
  EXPECT_EQ(loss_, loss);
  EXPECT_EQ(validation()[1], 1);
}

TEST_F(BoostedTreesTest, RefusesTablesThatNameNoNode) {
  std::vector<float> grad(params_.size());
  BatchStats stats;
  const std::vector<float> rows = {1, 1}, labels = {1};
  params_[shape_.OpenAt() + 2] = 99;
  EXPECT_TRUE(absl::IsInvalidArgument(
      model_->Gradient(params_, Dense(rows, labels), grad, &stats)));
  params_[shape_.OpenAt() + 2] = 0;
  params_[shape_.OpenAt()] = 4;
  EXPECT_TRUE(absl::IsInvalidArgument(
      model_->Gradient(params_, Dense(rows, labels), grad, &stats)));
}

}  // namespace
}  // namespace ebb::models

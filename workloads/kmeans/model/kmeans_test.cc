// workloads/kmeans/model/kmeans.cc, beside loops that say what it computes.
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backends.h"
#include "models/registry.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KMeansTest : public ::testing::Test {
 protected:
  KMeansTest() { EXPECT_TRUE(RegisterBuiltinModels(&registry_).ok()); }

  absl::StatusOr<std::unique_ptr<Model>> Make(int64_t clusters,
                                              int64_t features) {
    ModelConfig config;
    config.kind = "kmeans";
    config.clusters = clusters;
    config.features = features;
    return registry_.Create(config, backend_.get());
  }

  const std::unique_ptr<ComputeBackend> backend_ = *CreateBackend({});
  Registry registry_;
};

// Two centroids, at (0, 0) and (10, 10).
const std::vector<float> kTwo = {0, 0, 10, 10, 1, 1};

TEST_F(KMeansTest, PushesDifferencesAndCounts) {
  const auto model = *Make(2, 2);
  const testing::SmallBatch examples({1, 2, 9, 10, 3, 0}, {0, 0, 0});
  BatchView batch = examples.Dense();
  batch.shard = 1;
  std::vector<float> sums(6);
  BatchStats stats;

  ASSERT_TRUE(model->Gradient(kTwo, batch, sums, &stats).ok());

  EXPECT_THAT(sums, ElementsAre(4, 2, -1, 0, 2, 1));
  EXPECT_EQ(stats.examples, 3);
  EXPECT_EQ(stats.loss_sum, 5 + 1 + 9);
  EXPECT_EQ(stats.correct, 0);
}

// Bug: |x|^2 - 2 x c + |c|^2 of examples far from 0 was mostly rounding.
TEST_F(KMeansTest, ASparseOutlierHasItsOwnDistance) {
  const auto model = *Make(2, 3);
  // (0.25, 0, 0) and (1e6, 2, 1e6), of which a column is named twice.
  const std::vector<int64_t> offsets = {0, 1, 5};
  const std::vector<int32_t> columns = {0, 0, 2, 1, 0};
  const std::vector<float> entries = {0.25F, 999999, 1e6F, 2, 1};
  BatchView batch;
  batch.rows = 2;
  batch.features = 3;
  batch.sparse = {offsets, columns, entries};
  const std::vector<float> values = {0, 0, 0, 1e6F, 2.01F, 1e6F, 1, 1};
  const double wanted = 0.0625 + std::pow(static_cast<double>(2.01F) - 2, 2);
  BatchStats stats;
  ASSERT_TRUE(model->Evaluate(values, batch, &stats).ok());
  EXPECT_NEAR(stats.loss_sum, wanted, 1e-12);
}

// Bug: so it did for which centroid is nearest.
TEST_F(KMeansTest, FindsTheNearestOfCentroidsFarFromZero) {
  const auto model = *Make(2, 2);
  const std::vector<int64_t> offsets = {0, 2};
  const std::vector<int32_t> columns = {0, 1};
  const std::vector<float> entries = {1e6F, 1e-4F};
  BatchView batch;
  batch.rows = 1;
  batch.features = 2;
  batch.sparse = {offsets, columns, entries};
  const std::vector<float> values = {1e6F, 3e-4F, 1e6F, 2e-4F, 1, 1};
  std::vector<float> outputs;
  ASSERT_TRUE(model->Predict(values, batch, &outputs).ok());
  EXPECT_THAT(outputs, ElementsAre(1));
}

TEST_F(KMeansTest, SparseExamplesDoAsDenseOnes) {
  const auto model = *Make(3, 8);
  const testing::SmallBatch examples(50, 8, 0, 5);
  std::vector<float> values(3 * 8);
  std::copy_n(examples.dense().begin(), values.size(), values.begin());
  values.insert(values.end(), {1, 1, 0});
  std::vector<float> dense(27), sparse(27), outputs, sparse_outputs;
  BatchStats dense_stats, sparse_stats;

  ASSERT_TRUE(
      model->Gradient(values, examples.Dense(), dense, &dense_stats).ok());
  ASSERT_TRUE(
      model->Gradient(values, examples.Sparse(), sparse, &sparse_stats).ok());
  ASSERT_TRUE(model->Predict(values, examples.Dense(), &outputs).ok());
  ASSERT_TRUE(model->Predict(values, examples.Sparse(), &sparse_outputs).ok());

  for (size_t i = 0; i < dense.size(); ++i) {
    EXPECT_NEAR(sparse[i], dense[i], 1e-4) << i;
  }
  EXPECT_NEAR(sparse_stats.loss_sum, dense_stats.loss_sum, 1e-4);
  EXPECT_EQ(sparse_outputs, outputs);
  ASSERT_TRUE(model->Evaluate(values, examples.Sparse(), &sparse_stats).ok());
  ASSERT_TRUE(model->Evaluate(values, examples.Dense(), &dense_stats).ok());
  EXPECT_NEAR(sparse_stats.loss_sum, dense_stats.loss_sum, 1e-4);
}

// Sculley 2010, algorithm 1: with the examples of a batch one after the other,
// if no other batch is on its way.
TEST_F(KMeansTest, AMiniBatchMovesCentroidsByTheRateOfEach) {
  ModelConfig config;
  config.kind = "kmeans";
  config.clusters = 2;
  config.features = 1;
  config.batches_at_once = 1;
  const auto model = *registry_.Create(config, backend_.get());
  // The first cluster has had 2 examples, the second none; it counts all the
  // same.
  const std::vector<float> values = {0, 10, 2, 0};
  const testing::SmallBatch examples({1, 3, 8}, {0, 0, 0});
  std::vector<float> change(4);
  BatchStats stats;

  ASSERT_TRUE(model->Gradient(values, examples.Dense(), change, &stats).ok());
  // 0 -> 1/3 -> 1/3 + (3 - 1/3) / 4 = 1; 10 -> 8.
  EXPECT_THAT(change, ElementsAre(1, -2, 2, 1));

  config.batches_at_once = 3;
  const auto among_others = *registry_.Create(config, backend_.get());
  ASSERT_TRUE(
      among_others->Gradient(values, examples.Dense(), change, &stats).ok());
  EXPECT_THAT(change, ElementsAre(4.0f / (2 + 3 * 2), -2.0f / 3, 2, 1));
}

TEST_F(KMeansTest, PredictsTheNearestAndTheFirstOfTwo) {
  const auto model = *Make(2, 2);
  const testing::SmallBatch examples({1, 2, 9, 10, 5, 5}, {0, 0, 0});
  std::vector<float> outputs;
  BatchStats stats;

  ASSERT_TRUE(
      model->EvaluateAndPredict(kTwo, examples.Dense(), &stats, &outputs).ok());

  EXPECT_THAT(outputs, ElementsAre(0, 1, 0));
  EXPECT_EQ(stats.loss_sum, 5 + 1 + 50);
  ASSERT_TRUE(model->Predict(kTwo, examples.Dense(), &outputs).ok());
  EXPECT_THAT(outputs, ElementsAre(0, 1, 0));
}

TEST_F(KMeansTest, EmptyClustersTakeTheFirstExamplesOfShard0) {
  const auto model = *Make(3, 1);
  // The clusters at 0 and 2 are empty.
  const std::vector<float> values = {0, 7, 2, 0, 5, 0};
  const testing::SmallBatch examples({1, 4, 6}, {0, 0, 0});
  BatchView batch = examples.Dense();
  batch.shard = 0;
  batch.first_position = 0;
  std::vector<float> sums(6);
  BatchStats stats;

  ASSERT_TRUE(model->Gradient(values, batch, sums, &stats).ok());
  EXPECT_THAT(sums, ElementsAre(1, -6 - 3 - 1, 2, 1, 3, 1));
  EXPECT_EQ(stats.loss_sum, 36 + 9 + 1);

  // The second of them begins at position 1.
  batch.first_position = 1;
  ASSERT_TRUE(model->Gradient(values, batch, sums, &stats).ok());
  EXPECT_THAT(sums, ElementsAre(0, -10, -1, 0, 3, 1));
  batch.shard = 1;
  ASSERT_TRUE(model->Gradient(values, batch, sums, &stats).ok());
  EXPECT_THAT(sums, ElementsAre(0, -10, 0, 0, 3, 0));
}

TEST_F(KMeansTest, AgreesWithPlainLoops) {
  constexpr int64_t kClusters = 5;
  constexpr int64_t kFeatures = 13;
  const auto model = *Make(kClusters, kFeatures);
  const testing::SmallBatch examples(200, kFeatures, 0, 7);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(kClusters * (kFeatures + 1), 1);
  for (int64_t i = 0; i < kClusters * kFeatures; ++i)
    values[i] = normal(random);
  std::vector<double> expected(values.size());
  double inertia = 0;
  for (int64_t row = 0; row < 200; ++row) {
    const float* const x = examples.dense().data() + row * kFeatures;
    double least = std::numeric_limits<double>::infinity();
    int64_t nearest = 0;
    for (int64_t k = 0; k < kClusters; ++k) {
      double distance = 0;
      for (int64_t j = 0; j < kFeatures; ++j) {
        const double difference = x[j] - values[k * kFeatures + j];
        distance += difference * difference;
      }
      if (distance >= least) continue;
      least = distance;
      nearest = k;
    }
    inertia += least;
    ++expected[kClusters * kFeatures + nearest];
    for (int64_t j = 0; j < kFeatures; ++j) {
      expected[nearest * kFeatures + j] +=
          x[j] - values[nearest * kFeatures + j];
    }
  }
  std::vector<float> sums(values.size());
  BatchStats stats;

  ASSERT_TRUE(model->Gradient(values, examples.Dense(), sums, &stats).ok());

  EXPECT_NEAR(stats.loss_sum, inertia, 1e-5 * inertia);
  for (size_t i = 0; i < sums.size(); ++i) {
    EXPECT_NEAR(sums[i], expected[i], 1e-4) << i;
  }
}

// Far from the origin, and beside one centroid that is far from the others.
TEST_F(KMeansTest, FindsTheNearestWhereverTheDataIs) {
  constexpr int64_t kClusters = 8;
  constexpr int64_t kRows = 300;
  const auto model = *Make(kClusters, 2);
  for (const float offset : {0.0f, 1e5f}) {
    for (const float outlier : {0.0f, 1e7f}) {
      std::mt19937 random(3);
      std::normal_distribution<float> centre(0, 10);
      std::normal_distribution<float> around(0, 0.5);
      std::vector<float> values(kClusters * 3, 1);
      for (int64_t i = 0; i < kClusters * 2; ++i) {
        values[i] = offset + centre(random) + (i < 2 ? outlier : 0);
      }
      std::vector<float> points(kRows * 2);
      for (int64_t i = 0; i < kRows * 2; ++i) {
        points[i] = values[i / 2 % kClusters * 2 + i % 2] + around(random);
      }
      const testing::SmallBatch examples(points, std::vector<float>(kRows));
      std::vector<float> expected;
      double inertia = 0;
      for (int64_t row = 0; row < kRows; ++row) {
        double least = std::numeric_limits<double>::infinity();
        int64_t nearest = 0;
        for (int64_t k = 0; k < kClusters; ++k) {
          const double x = double{points[row * 2]} - values[k * 2];
          const double y = double{points[row * 2 + 1]} - values[k * 2 + 1];
          if (x * x + y * y >= least) continue;
          least = x * x + y * y;
          nearest = k;
        }
        inertia += least;
        expected.push_back(static_cast<float>(nearest));
      }
      std::vector<float> outputs;
      BatchStats stats;
      ASSERT_TRUE(
          model->EvaluateAndPredict(values, examples.Dense(), &stats, &outputs)
              .ok());
      EXPECT_EQ(outputs, expected) << offset << " " << outlier;
      EXPECT_NEAR(stats.loss_sum, inertia, 1e-4 * inertia);
    }
  }
}

TEST_F(KMeansTest, RefusesWhatItCannotCompute) {
  const auto model = *Make(2, 2);
  const testing::SmallBatch examples(3, 2, 0, 1);
  std::vector<float> sums(6);
  BatchStats stats;
  for (BatchView wide : {examples.Dense(), examples.Sparse()}) {
    wide.features = 3;
    EXPECT_THAT(model->Gradient(kTwo, wide, sums, &stats).message(),
                HasSubstr("3 features instead of 2"));
  }
  std::vector<float> lost = kTwo;
  lost[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(absl::IsOutOfRange(
      model->Gradient(lost, examples.Dense(), sums, &stats)));
  EXPECT_THAT(Make(0, 2).status().message(), HasSubstr("model.clusters: "));
}

}  // namespace
}  // namespace ebb::models

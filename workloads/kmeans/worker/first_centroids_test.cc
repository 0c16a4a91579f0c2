#include "workloads/kmeans/worker/first_centroids.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backends.h"

namespace ebb::workloads {
namespace {

using ::testing::HasSubstr;

class FirstCentroidsTest : public ::testing::Test {
 protected:
  absl::StatusOr<data::Dataset> Load(
      const std::string& text, data::SourceKind kind = data::SourceKind::kCsv) {
    std::ofstream(folder_ / "a.csv") << text;
    data::SourceSpec spec;
    spec.kind = kind;
    spec.path = folder_ / "a.csv";
    return data::Dataset::Load(spec);
  }

  absl::StatusOr<std::vector<float>> Choose(const data::Dataset& train,
                                            const v1::Model& model,
                                            uint64_t seed) {
    return ChooseCentroids(train, model, seed, backend_.get());
  }

  const TestFolder folder_;
  const std::unique_ptr<models::ComputeBackend> backend_ =
      *models::CreateBackend({});
};

v1::Model Clusters(int64_t count) {
  v1::Model model;
  model.set_clusters(count);
  return model;
}

TEST_F(FirstCentroidsTest, CountsExamplesThatDiffer) {
  std::string text, sparse;
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(i % 3) + "," + (i % 2 == 0 ? "0" : "-0") + ",0\n";
    sparse += i % 3 == 0 ? "0 1:0 2:5\n" : i % 3 == 1 ? "0 2:5\n" : "0 2:6\n";
  }
  const auto dense = Load(text);
  ASSERT_TRUE(dense.ok()) << dense.status();
  EXPECT_EQ(*CountDifferent(*dense, 10), 3);
  EXPECT_EQ(*CountDifferent(*dense, 3), 3);
  EXPECT_EQ(*CountDifferent(*dense, 2), 2);
  const auto rows = Load(sparse, data::SourceKind::kLibsvm);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*CountDifferent(*rows, 10), 2);
}

TEST_F(FirstCentroidsTest, AreExamplesThatTheSeedDecides) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i) + ",7,0\n";
  const auto train = Load(text);
  ASSERT_TRUE(train.ok()) << train.status();

  const auto chosen = Choose(*train, Clusters(3), 1);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  ASSERT_EQ(chosen->size(), 6);
  for (size_t i = 0; i < 6; i += 2) {
    EXPECT_EQ((*chosen)[i], std::floor((*chosen)[i]));
    EXPECT_EQ((*chosen)[i + 1], 7);
  }
  EXPECT_EQ(*Choose(*train, Clusters(3), 1), *chosen);
  EXPECT_NE(*Choose(*train, Clusters(3), 2), *chosen);
}

TEST_F(FirstCentroidsTest, ParallelChoosesFromAll) {
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    text += std::to_string(i == 19999 ? 1e6 : i % 10) + ",7,0\n";
  }
  const auto train = Load(text);
  ASSERT_TRUE(train.ok()) << train.status();
  v1::Model model = Clusters(2);
  model.set_seeding(v1::Model::SEEDING_PARALLEL);

  const auto chosen = Choose(*train, model, 3);

  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(std::max((*chosen)[0], (*chosen)[2]), 1e6f);
  EXPECT_EQ(*Choose(*train, model, 3), *chosen);
}

TEST_F(FirstCentroidsTest, AreNoMoreThanTheExamples) {
  const auto train = Load("1,0\n2,1\n3,0\n");
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(Choose(*train, Clusters(3), 1)->size(), 3);
  EXPECT_THAT(Choose(*train, Clusters(4), 1).status().message(),
              HasSubstr("has 3 examples for 4 clusters"));
}

// Bug: ten thousand clusters of images were chosen for hours.
TEST_F(FirstCentroidsTest, AreChosenFromFewerExamplesOrNotAtAllIfItTakesLong) {
  constexpr int64_t kMillion = 1'000'000;
  EXPECT_EQ(*CentroidSample(500, 784, 10), 500);
  EXPECT_EQ(*CentroidSample(kMillion, 784, 10), 16384);
  EXPECT_EQ(*CentroidSample(kMillion, 2, 2000), 32000);
  const int64_t fewer = *CentroidSample(kMillion, 784, 200);
  EXPECT_LT(fewer, 16384);
  EXPECT_GE(fewer, 200 * 4);
  EXPECT_EQ(*CentroidSample(kMillion, 784, 1000), 4000);
  EXPECT_THAT(CentroidSample(kMillion, 784, 10000).status().message(),
              HasSubstr("model.clusters: k-means++ would take 3.8e+12 "));
}

// Bug: the cost of k-means|| was that of a sample of its candidates, while it
// chooses from all of them.
TEST_F(FirstCentroidsTest, ParallelCountsAllCandidates) {
  std::string text;
  for (int i = 0; i < 12000; ++i) text += "0 2000:1\n";
  const auto train = Load(text, data::SourceKind::kLibsvm);
  ASSERT_TRUE(train.ok()) << train.status();
  v1::Model model = Clusters(1000);
  EXPECT_TRUE(CheckSeeding(*train, model).ok());
  model.set_seeding(v1::Model::SEEDING_PARALLEL);
  EXPECT_THAT(CheckSeeding(*train, model).message(),
              HasSubstr("1000 clusters from 10000 examples"));
}

}  // namespace
}  // namespace ebb::workloads

#include "workloads/kmeans/model/kmeans_plus_plus.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/small_batch.h"

namespace ebb::workloads {
namespace {

using models::BatchView;
using ::testing::ElementsAre;

BatchView ViewOf(const std::vector<float>& values, int64_t features) {
  BatchView view;
  view.rows = std::ssize(values) / features;
  view.features = features;
  view.dense = values;
  return view;
}

// Ten examples around each of 0, 100 and 200.
std::vector<float> ThreeHeaps() {
  std::vector<float> examples;
  for (int i = 0; i < 30; ++i) {
    const int place = i / 3;
    examples.push_back(static_cast<float>(i % 3 * 100 + place));
  }
  return examples;
}

TEST(KMeansPlusPlusTest, ChoosesFromEveryHeapWhateverTheSeed) {
  const std::vector<float> examples = ThreeHeaps();
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::set<int> heaps;
    for (const float value : KMeansPlusPlus(ViewOf(examples, 1), 3, seed)) {
      heaps.insert(static_cast<int>(value) / 100);
    }
    EXPECT_THAT(heaps, ElementsAre(0, 1, 2)) << seed;
  }
}

TEST(KMeansPlusPlusTest, IsAFunctionOfTheSeed) {
  const std::vector<float> examples = ThreeHeaps();
  std::set<std::vector<float>> results;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    results.insert(KMeansPlusPlus(ViewOf(examples, 2), 4, seed));
    EXPECT_EQ(KMeansPlusPlus(ViewOf(examples, 2), 4, seed),
              KMeansPlusPlus(ViewOf(examples, 2), 4, seed));
  }
  EXPECT_GT(results.size(), 10);
}

TEST(KMeansPlusPlusTest, TakesAllExamplesIfItMust) {
  const std::vector<float> four = {5, 1, 3, 7};
  std::vector<float> all = KMeansPlusPlus(ViewOf(four, 1), 4, 9);
  std::sort(all.begin(), all.end());
  EXPECT_THAT(all, ElementsAre(1, 3, 5, 7));
}

TEST(KMeansPlusPlusTest, RepeatsExamplesThatDoNotDiffer) {
  const std::vector<float> same = {2, 2, 2};
  EXPECT_THAT(KMeansPlusPlus(ViewOf(same, 1), 2, 1), ElementsAre(2, 2));
}

// Bug: the distances of sparse examples far from 0 were mostly rounding, so
// that copies of one example were chosen before others.
TEST(KMeansPlusPlusTest, ChoosesSparseExamplesFarFromZeroByTheirDistance) {
  // 40 copies of (1e6 + 0.3, 0) and one of (1e6 + 0.3, 1e-3).
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> columns;
  std::vector<float> entries;
  for (int row = 0; row < 41; ++row) {
    columns.push_back(0);
    entries.push_back(1000000.3F);
    if (row == 17) {
      columns.push_back(1);
      entries.push_back(1e-3F);
    }
    offsets.push_back(std::ssize(entries));
  }
  BatchView batch;
  batch.rows = 41;
  batch.features = 2;
  batch.sparse = {offsets, columns, entries};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> chosen = KMeansPlusPlus(batch, 2, seed);
    EXPECT_NE(chosen[1], chosen[3]) << seed;
  }
}

TEST(KMeansPlusPlusTest, SparseExamplesAreChosenAsDenseOnes) {
  const models::testing::SmallBatch examples(40, 6, 0, 3);
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(KMeansPlusPlus(examples.Sparse(), 4, seed),
              KMeansPlusPlus(examples.Dense(), 4, seed));
  }
}

TEST(KMeansPlusPlusTest, TakesNoExampleOfWeight0) {
  const std::vector<float> four = {5, 1, 3, 7};
  const std::vector<double> weights = {0, 1, 0, 2};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<float> two = KMeansPlusPlus(ViewOf(four, 1), 2, seed, weights);
    std::sort(two.begin(), two.end());
    EXPECT_THAT(two, ElementsAre(1, 7));
  }
}

}  // namespace
}  // namespace ebb::workloads

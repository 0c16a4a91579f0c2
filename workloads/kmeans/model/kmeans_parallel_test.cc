#include "workloads/kmeans/model/kmeans_parallel.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backends.h"

namespace ebb::workloads {
namespace {

using models::BatchView;
using ::testing::ElementsAre;

// One feature.
std::vector<float> Choose(const std::vector<float>& values, int64_t k,
                          uint64_t seed) {
  const auto backend = *models::CreateBackend({});
  std::vector<float> gathered;
  const auto gather =
      [&](std::span<const int64_t> examples) -> absl::StatusOr<BatchView> {
    gathered.clear();
    for (const int64_t i : examples) gathered.push_back(values[i]);
    BatchView view;
    view.rows = std::ssize(gathered);
    view.features = 1;
    view.dense = gathered;
    return view;
  };
  auto chosen =
      KMeansParallel({std::ssize(values), 1, gather}, k, seed, backend.get());
  EXPECT_TRUE(chosen.ok()) << chosen.status();
  return *std::move(chosen);
}

// Blocks are smaller than these.
TEST(KMeansParallelTest, ChoosesFromEveryHeapWhateverTheSeed) {
  std::vector<float> values;
  for (int i = 0; i < 9000; ++i) {
    values.push_back(static_cast<float>(i % 3 * 100000 + i));
  }
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<float> chosen = Choose(values, 3, seed);
    std::set<int> heaps;
    for (const float value : chosen) {
      heaps.insert(static_cast<int>(value) / 100000);
    }
    EXPECT_THAT(heaps, ElementsAre(0, 1, 2)) << seed;
    EXPECT_EQ(Choose(values, 3, seed), chosen);
  }
}

TEST(KMeansParallelTest, FewDifferentExamplesAreChosenTwice) {
  std::vector<float> chosen = Choose({4, 4, 4, 9, 9}, 4, 1);
  std::sort(chosen.begin(), chosen.end());
  ASSERT_EQ(chosen.size(), 4);
  EXPECT_EQ(chosen.front(), 4);
  EXPECT_EQ(chosen.back(), 9);
  EXPECT_THAT(Choose({2}, 1, 7), ElementsAre(2));
}

}  // namespace
}  // namespace ebb::workloads

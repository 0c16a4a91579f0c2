// The example, loaded as a worker loads it.
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
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
using ::testing::Pair;

class Rows final : public RowSink {
 public:
  using Place = std::pair<int64_t, uint64_t>;  // Table and key.

  void Add(int64_t table, uint64_t key, std::span<const float> row) override {
    ASSERT_EQ(row.size(), 1u);
    sums[{table, key}] += row[0];
  }
  void Count(int64_t table, uint64_t key,
             std::span<const int64_t> row) override {
    std::vector<int64_t>& count = counts[{table, key}];
    count.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) count[i] += row[i];
  }
  void Write(int64_t table, uint64_t key,
             std::span<const std::byte> bytes) override {
    written.emplace(
        Place{table, key},
        std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  std::map<Place, float> sums;
  std::map<Place, std::vector<int64_t>> counts;
  std::map<Place, std::string> written;
};

class TalliesTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto kind = LoadPlugin("libtallies.so", {EBB_PLUGIN_FOLDER}, &registry_);
    ASSERT_TRUE(kind.ok()) << kind.status();
    ModelConfig config;
    config.kind = *kind;
    config.features = 2;
    config.classes = 2;
    auto model = registry_.Create(config, backend_.get());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  std::unique_ptr<ComputeBackend> backend_ = testing::MakeBackend(GetParam());
  Registry registry_;
  std::unique_ptr<Model> model_;
};

TEST_P(TalliesTest, DescribesItself) {
  const ModelDescription& description = model_->description();
  EXPECT_EQ(description.ParameterCount(), 3);
  EXPECT_EQ(description.RowFloats(), 0);
  EXPECT_FALSE(description.TrainsRows());
  ASSERT_EQ(description.sparse_tables.size(), 3u);
  EXPECT_EQ(description.sparse_tables[0].name, "tallies");
  EXPECT_EQ(description.sparse_tables[0].kind, RowKind::kCounts);
  EXPECT_EQ(description.sparse_tables[0].width, 2);
  EXPECT_EQ(description.sparse_tables[1].kind, RowKind::kAdditive);
  EXPECT_EQ(description.sparse_tables[2].kind, RowKind::kWriteOnce);
}

// With all at 0 each probability is one half.
TEST_P(TalliesTest, ComputesTheLogisticGradient) {
  const testing::SmallBatch examples({1, 2, -3, 0.5f}, {1, 0});
  for (const BatchView& batch : {examples.Dense(), examples.Sparse()}) {
    const std::vector<float> params(3);
    std::vector<float> grad(3);
    BatchStats stats;
    ASSERT_TRUE(model_->Gradient(params, batch, std::span(grad), &stats).ok());
    EXPECT_THAT(grad, ElementsAre(-0.5f - 1.5f, -1 + 0.25f, 0));
    EXPECT_NEAR(stats.loss_sum, 2 * std::log(2.0), 1e-12);
  }
}

TEST_P(TalliesTest, GivesARowForEachValue) {
  // Column 1 has the value 2 twice, rounded down.
  const testing::SmallBatch examples({1, 2, -3, 2.5f}, {1, 0});
  Rows rows;
  ASSERT_TRUE(model_->Record(examples.Dense(), &rows).ok());
  const uint64_t two = uint64_t{1} << 32 | 2;
  const uint64_t minus_three = static_cast<uint32_t>(-3);
  EXPECT_THAT(rows.counts,
              ElementsAre(Pair(Rows::Place(0, 1), ElementsAre(1, 1)),
                          Pair(Rows::Place(0, minus_three), ElementsAre(1, 0)),
                          Pair(Rows::Place(0, two), ElementsAre(2, 1))));
  EXPECT_THAT(rows.sums, ElementsAre(Pair(Rows::Place(1, 1), 1),
                                     Pair(Rows::Place(1, minus_three), -3),
                                     Pair(Rows::Place(1, two), 4.5f)));
  EXPECT_THAT(rows.written,
              ElementsAre(Pair(Rows::Place(2, 1), "column 0: 1"),
                          Pair(Rows::Place(2, minus_three), "column 0: -3"),
                          Pair(Rows::Place(2, two), "column 1: 2")));
}

INSTANTIATE_TEST_SUITE_P(AllBackends, TalliesTest,
                         ::testing::ValuesIn(testing::AllBackendNames()));

}  // namespace
}  // namespace ebb::models

#include "data/order.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "common/example_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The vectors of docs/data-order.md, computed by its independent program.

TEST(OrderTest, MatchesTheVectorsOfTheSpecification) {
  EXPECT_THAT(ShardOrder(1, {0, 0}, 0, 10),
              ElementsAre(9, 1, 6, 8, 5, 7, 2, 4, 0, 3));
  EXPECT_THAT(ShardOrder(1, {1, 0}, 0, 10),
              ElementsAre(1, 6, 3, 2, 0, 7, 8, 4, 9, 5));
  EXPECT_THAT(ShardOrder(1, {0, 1}, 0, 10),
              ElementsAre(5, 6, 2, 7, 4, 8, 3, 1, 9, 0));
  EXPECT_THAT(ShardOrder(2, {0, 0}, 0, 10),
              ElementsAre(6, 5, 4, 8, 3, 1, 2, 0, 9, 7));
  EXPECT_THAT(
      ShardOrder(~uint64_t{0}, {3, 17}, 1000, 10),
      ElementsAre(1001, 1006, 1005, 1008, 1003, 1007, 1002, 1009, 1000, 1004));
}

TEST(OrderTest, MatchesTheVectorOfALongShard) {
  const std::vector<int64_t> order = ShardOrder(1, {2, 5}, 5000, 1000);
  uint64_t hash = 0;
  for (const int64_t example : order) hash = HashAppend(hash, example);
  EXPECT_EQ(hash, 0xfa4f79d50a4d6fccu);
}

TEST(OrderTest, HoldsEveryExampleOfTheShardOnce) {
  std::vector<int64_t> order = ShardOrder(7, {4, 3}, 300, 257);
  std::sort(order.begin(), order.end());
  std::vector<int64_t> expected(257);
  std::iota(expected.begin(), expected.end(), 300);
  EXPECT_EQ(order, expected);
}

TEST(OrderTest, TakesShardsOfOneAndNoExample) {
  EXPECT_THAT(ShardOrder(0, {0, 0}, 5, 1), ElementsAre(5));
  EXPECT_THAT(ShardOrder(0, {0, 0}, 5, 0), ElementsAre());
}

TEST(OrderTest, MakesAllPermutationsEquallyOften) {
  // 24 permutations of 4, 24,000 epochs: chi-squared with 23 degrees of
  // freedom exceeds 49.7 once in a thousand seeds; this seed is fixed.
  std::array<int, 256> counts = {};
  for (int epoch = 0; epoch < 24000; ++epoch) {
    int code = 0;
    for (const int64_t example : ShardOrder(5, {epoch, 0}, 0, 4)) {
      code = 4 * code + static_cast<int>(example);
    }
    ++counts[code];
  }
  double chi_squared = 0;
  int seen = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++seen;
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  EXPECT_EQ(seen, 24);
  EXPECT_LT(chi_squared, 49.7);
}

TEST(OrderTest, CutsTheDataIntoShards) {
  const ShardLayout layout = {.examples = 10, .shard_size = 4};
  EXPECT_EQ(layout.shards(), 3);
  EXPECT_EQ(layout.begin(2), 8);
  EXPECT_EQ(layout.size(0), 4);
  EXPECT_EQ(layout.size(2), 2);
  const ShardLayout even = {.examples = 8, .shard_size = 4};
  EXPECT_EQ(even.shards(), 2);
  EXPECT_EQ(even.size(1), 4);
  const ShardLayout one = {.examples = 3, .shard_size = 100};
  EXPECT_EQ(one.shards(), 1);
  EXPECT_EQ(one.size(0), 3);
}

TEST(OrderTest, GivesTheExamplesOfAnItem) {
  const Order order(1, {.examples = 25, .shard_size = 10});
  EXPECT_THAT(*order.Of({0, 0}), ElementsAre(9, 1, 6, 8, 5, 7, 2, 4, 0, 3));
  const std::vector<int64_t> last = *order.Of({1, 2});
  EXPECT_THAT(last, testing::UnorderedElementsAre(20, 21, 22, 23, 24));
  EXPECT_EQ(last, ShardOrder(1, {1, 2}, 20, 5));
}

TEST(OrderTest, RefusesItemsThatAreNotThere) {
  const Order order(1, {.examples = 25, .shard_size = 10});
  for (const ItemId item : {ItemId{0, 3}, ItemId{0, -1}, ItemId{-1, 0}}) {
    const absl::Status status = order.Of(item).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("the data has 3 shards"));
  }
}

TEST(OrderTest, RefusesLayoutsThatAreNone) {
  EXPECT_TRUE((ShardLayout{.examples = 1, .shard_size = 1}).Validate().ok());
  EXPECT_FALSE((ShardLayout{.examples = 0, .shard_size = 1}).Validate().ok());
  EXPECT_FALSE((ShardLayout{.examples = 1, .shard_size = 0}).Validate().ok());
  const ShardLayout tiny = {.examples = int64_t{1} << 32, .shard_size = 1};
  EXPECT_THAT(tiny.Validate().message(), HasSubstr("make the shards larger"));
}

}  // namespace
}  // namespace ebb::data

#include "server/memory/block_array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace ebb::server {
namespace {

using ::testing::ElementsAre;

TEST(BlockArrayTest, ElementsAreInBlocksOfThePool) {
  const auto pool = *BlockPool::Create({.block_bytes = 64 * 3,
                                        .max_bytes = 64 * 3 * 4,
                                        .slab_bytes = 64 * 3,
                                        .shared = false});
  // A power of two of them in each block: 16 of 24.
  auto array = BlockArray<uint64_t>::Make(pool.get(), 40, 7);
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_EQ(array->size(), 48u);
  EXPECT_EQ(array->blocks(), 3);
  EXPECT_EQ(pool->Stats().live_blocks, 3);
  for (size_t i = 0; i < 48; ++i) (*array)[i] += i;
  BlockArray<uint64_t> moved = *std::move(array);
  for (size_t i = 0; i < 48; ++i) EXPECT_EQ(moved[i], 7 + i);
  std::vector<size_t> runs;
  std::vector<uint64_t> all;
  moved.ForEachRun(0, 40, [&](const uint64_t* run, size_t count) {
    runs.push_back(count);
    all.insert(all.end(), run, run + count);
  });
  EXPECT_THAT(runs, ElementsAre(16, 16, 8));
  EXPECT_EQ(all.size(), 40u);
  EXPECT_EQ(all.back(), 46u);
  EXPECT_EQ(BlockArray<uint64_t>::Make(pool.get(), 40, 7).status().code(),
            absl::StatusCode::kResourceExhausted);
  moved = {};
  EXPECT_EQ(pool->Stats().live_blocks, 0);
}

}  // namespace
}  // namespace ebb::server

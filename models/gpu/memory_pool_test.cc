#include "models/gpu/memory_pool.h"

#include <cstdint>
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::models::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

// Memory that is only counted.
class Counted final : public BlockSource {
 public:
  explicit Counted(int64_t room) : room_(room) {}
  ~Counted() override { EXPECT_TRUE(blocks_.empty()); }

  void* NewBlock(int64_t bytes) override {
    asked_.push_back(bytes);
    if (bytes > room_) return nullptr;
    room_ -= bytes;
    void* const block = reinterpret_cast<void*>(++names_ * 256);
    blocks_[block] = bytes;
    return block;
  }
  void DeleteBlock(void* block) override {
    ASSERT_TRUE(blocks_.contains(block));
    room_ += blocks_[block];
    blocks_.erase(block);
  }
  const std::vector<int64_t>& asked() const { return asked_; }
  int64_t room() const { return room_; }

 private:
  int64_t room_;
  uintptr_t names_ = 0;
  std::map<void*, int64_t> blocks_;
  std::vector<int64_t> asked_;
};

TEST(MemoryPoolTest, SizesAreRoundedSoThatBlocksServeEachOther) {
  EXPECT_EQ(MemoryPool::RoundUp(1), 512);
  EXPECT_EQ(MemoryPool::RoundUp(513), 1024);
  EXPECT_EQ(MemoryPool::RoundUp(kMiB), kMiB);
  EXPECT_EQ(MemoryPool::RoundUp(kMiB + 1), 2 * kMiB);
  EXPECT_EQ(MemoryPool::RoundUp(5 * kMiB - 1), 5 * kMiB);
}

TEST(MemoryPoolTest, AFreedBlockIsGivenOutAgain) {
  Counted source(100 * kMiB);
  MemoryPool pool(&source);
  void* const first = *pool.Allocate(10 * kMiB);
  EXPECT_EQ(pool.used_bytes(), 10 * kMiB);
  pool.Free(first);
  EXPECT_EQ(pool.used_bytes(), 0);
  EXPECT_EQ(pool.free_bytes(), 10 * kMiB);
  EXPECT_EQ(*pool.Allocate(9 * kMiB), first);
  EXPECT_EQ(pool.used_bytes(), 10 * kMiB) << "all of the block";
  EXPECT_THAT(source.asked(), ElementsAre(10 * kMiB));
}

TEST(MemoryPoolTest, AMuchLargerBlockWaitsForThoseThatNeedIt) {
  Counted source(100 * kMiB);
  MemoryPool pool(&source);
  void* const large = *pool.Allocate(10 * kMiB);
  pool.Free(large);
  EXPECT_NE(*pool.Allocate(2 * kMiB), large);
  EXPECT_EQ(*pool.Allocate(10 * kMiB), large);
}

TEST(MemoryPoolTest, WhatIsFreeGoesBackBeforeMemoryIsTooSmall) {
  Counted source(10 * kMiB);
  MemoryPool pool(&source);
  void* const small = *pool.Allocate(2 * kMiB);
  pool.Free(*pool.Allocate(3 * kMiB));
  EXPECT_TRUE(pool.Allocate(8 * kMiB).ok());
  EXPECT_EQ(pool.free_bytes(), 0);
  const auto refused = pool.Allocate(kMiB);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_THAT(refused.status().message(),
              HasSubstr("no room for 1048576 bytes beside the 10485760"));
  pool.Free(small);
  EXPECT_TRUE(pool.Allocate(kMiB).ok()) << "it goes on";
}

TEST(MemoryPoolTest, EverythingGoesBackInTheEnd) {
  Counted source(10 * kMiB);
  {
    MemoryPool pool(&source);
    EXPECT_TRUE(pool.Allocate(kMiB).ok());
    pool.Free(*pool.Allocate(kMiB));
    pool.Free(nullptr);
  }
  EXPECT_EQ(source.room(), 10 * kMiB);
}

}  // namespace
}  // namespace ebb::models::gpu

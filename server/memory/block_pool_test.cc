#include "server/memory/block_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

// 8 blocks of 256 bytes, grown by 2.
BlockPoolOptions Tiny(bool shared) {
  return {.name = "tiny",
          .block_bytes = 256,
          .max_bytes = 8 * 256,
          .slab_bytes = 2 * 256,
          .shared = shared};
}

std::unique_ptr<BlockPool> MakePool(BlockPoolOptions options) {
  auto pool = BlockPool::Create(std::move(options));
  EXPECT_TRUE(pool.ok()) << pool.status();
  return *std::move(pool);
}

BlockRef MakeBlock(BlockPool& pool, float value) {
  auto block = pool.Allocate();
  EXPECT_TRUE(block.ok()) << block.status();
  std::ranges::fill(block->mutable_floats(), value);
  return *std::move(block);
}

// Behaviour that does not depend on where the memory comes from.
class BlockPoolTest : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<BlockPool> pool_ = MakePool(Tiny(GetParam()));
};

INSTANTIATE_TEST_SUITE_P(Backing, BlockPoolTest, testing::Bool(),
                         [](const auto& test) {
                           return test.param ? "SharedMemory" : "Heap";
                         });

TEST_P(BlockPoolTest, PayloadIsAlignedAndAsLargeAsAsked) {
  auto blocks = pool_->AllocateMany(8);
  ASSERT_TRUE(blocks.ok());
  std::set<const std::byte*> distinct;
  for (const BlockRef& block : *blocks) {
    EXPECT_EQ(block.size(), 256u);
    EXPECT_EQ(block.bytes().size(), 256u);
    EXPECT_EQ(block.floats().size(), 64u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.bytes().data()) % 64, 0u);
    distinct.insert(block.bytes().data());
  }
  EXPECT_EQ(distinct.size(), 8u);
}

TEST_P(BlockPoolTest, BlocksDoNotOverlap) {
  std::vector<BlockRef> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(MakeBlock(*pool_, 1.0f * i));
  for (int i = 0; i < 8; ++i) {
    EXPECT_THAT(blocks[i].floats(), Each(1.0f * i));
  }
}

TEST_P(BlockPoolTest, RefusesBeyondTheBoundAndGoesOnAfterARelease) {
  auto blocks = pool_->AllocateMany(8);
  ASSERT_TRUE(blocks.ok());

  const absl::Status refused = pool_->Allocate().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("'tiny'"), HasSubstr("8 of at most 8"),
                    HasSubstr("raise the memory limit")));

  blocks->pop_back();
  EXPECT_TRUE(pool_->Allocate().ok());
}

TEST_P(BlockPoolTest, AllocateManyIsAllOrNothing) {
  auto held = pool_->AllocateMany(5);
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(pool_->AllocateMany(4).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(pool_->Stats().live_blocks, 5);
  EXPECT_TRUE(pool_->AllocateMany(3).ok());
  EXPECT_TRUE(pool_->AllocateMany(0).ok());
  EXPECT_EQ(pool_->AllocateMany(int64_t{1} << 60).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_P(BlockPoolTest, PromisesNoMoreThanItsBound) {
  PromisedBlocks five = pool_->Promise(5);
  ASSERT_TRUE(five);
  EXPECT_FALSE(pool_->Promise(4));
  PromisedBlocks three = pool_->Promise(3);
  EXPECT_TRUE(three);
  EXPECT_TRUE(pool_->Promise(0));
  EXPECT_EQ(pool_->Stats().promised_blocks, 8);

  five = {};
  EXPECT_EQ(pool_->Stats().promised_blocks, 3);
  EXPECT_TRUE(pool_->Promise(5));
}

TEST_P(BlockPoolTest, APromiseMayBecomeAnother) {
  PromisedBlocks one = pool_->Promise(1);
  PromisedBlocks three = pool_->Promise(3);
  EXPECT_FALSE(one.Resize(6));
  EXPECT_EQ(one.count(), 1);
  EXPECT_TRUE(one.Resize(5));
  EXPECT_EQ(pool_->Stats().promised_blocks, 8);
  EXPECT_TRUE(one.Resize(0));
  EXPECT_TRUE(one);
  three = std::move(one);
  EXPECT_EQ(pool_->Stats().promised_blocks, 0);
}

TEST_P(BlockPoolTest, APromiseMayOutliveThePool) {
  const PromisedBlocks five = pool_->Promise(5);
  pool_.reset();
  EXPECT_TRUE(five);
}

TEST_P(BlockPoolTest, CountsReferences) {
  BlockRef first = MakeBlock(*pool_, 1.0f);
  EXPECT_TRUE(first.Unique());
  BlockRef second = first;
  EXPECT_FALSE(first.Unique());
  EXPECT_EQ(first, second);
  EXPECT_EQ(pool_->Stats().live_blocks, 1);

  const BlockRef third = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): it is empty.
  EXPECT_FALSE(third.Unique());
  second.Reset();
  EXPECT_TRUE(third.Unique());
}

TEST_P(BlockPoolTest, AssignmentReleasesAndSurvivesItself) {
  BlockRef block = MakeBlock(*pool_, 1.0f);
  const BlockRef other = MakeBlock(*pool_, 2.0f);
  block = other;
  EXPECT_EQ(pool_->Stats().live_blocks, 1);
  BlockRef& alias = block;
  block = alias;
  EXPECT_THAT(block.floats(), Each(2.0f));
  block = BlockRef();
  EXPECT_FALSE(block);
  EXPECT_TRUE(other.Unique());
}

TEST_P(BlockPoolTest, StatsFollowBlocks) {
  EXPECT_EQ(pool_->Stats().live_blocks, 0);
  EXPECT_EQ(pool_->Stats().free_blocks, 0);
  EXPECT_EQ(pool_->Stats().max_blocks, 8);
  {
    auto blocks = pool_->AllocateMany(3);
    ASSERT_TRUE(blocks.ok());
    // Grown by slabs of two.
    EXPECT_EQ(pool_->Stats().live_blocks, 3);
    EXPECT_EQ(pool_->Stats().free_blocks, 1);
    EXPECT_EQ(pool_->Stats().live_bytes(), 768);
    EXPECT_EQ(pool_->Stats().free_bytes(), 256);
  }
  EXPECT_EQ(pool_->Stats().live_blocks, 0);
  EXPECT_EQ(pool_->Stats().free_blocks, 4);
  EXPECT_EQ(pool_->Stats().peak_blocks, 3);
}

TEST_P(BlockPoolTest, HandsOutTheLastBlockReturned) {
  BlockRef a = MakeBlock(*pool_, 1.0f);
  BlockRef b = MakeBlock(*pool_, 2.0f);
  const std::byte* const warm = a.bytes().data();
  b.Reset();
  a.Reset();
  EXPECT_EQ(pool_->Allocate()->bytes().data(), warm);
}

TEST_P(BlockPoolTest, CopyForWriteLeavesTheSourceAlone) {
  const BlockRef source = MakeBlock(*pool_, 3.0f);
  const uint64_t id = source.content_id();
  auto copy = pool_->CopyForWrite(source);
  ASSERT_TRUE(copy.ok());
  EXPECT_THAT(copy->floats(), Each(3.0f));
  EXPECT_TRUE(copy->Unique());
  EXPECT_NE(copy->content_id(), id);

  std::ranges::fill(copy->mutable_floats(), 4.0f);
  EXPECT_THAT(source.floats(), Each(3.0f));
  EXPECT_EQ(source.content_id(), id);
}

TEST_P(BlockPoolTest, ContentIdsAreNeverRepeated) {
  std::set<uint64_t> ids;
  std::vector<BlockRef> blocks = *pool_->AllocateMany(3);
  int drawn = 0;
  // Past the end of the ranges that blocks draw their ids in.
  for (int i = 0; i < 70'000; ++i) {
    BlockRef& block = blocks[i % 2];
    if (i % 1001 == 0) block = *pool_->Allocate();
    block.MarkChanged();
    ids.insert(block.content_id());
    ++drawn;
  }
  for (int i = 0; i < 70'000; ++i) {
    blocks[2] = *pool_->Allocate();
    ids.insert(blocks[2].content_id());
    ++drawn;
  }
  EXPECT_EQ(static_cast<int>(ids.size()), drawn);
  EXPECT_FALSE(ids.contains(0));
}

TEST_P(BlockPoolTest, ContentIdChangesOnlyWithAChange) {
  BlockRef block = MakeBlock(*pool_, 1.0f);
  const uint64_t id = block.content_id();
  { const BlockRef reader = block; }
  EXPECT_EQ(block.floats()[0], 1.0f);
  EXPECT_EQ(block.content_id(), id);
  block.mutable_bytes();
  EXPECT_NE(block.content_id(), id);
}

TEST_P(BlockPoolTest, BlocksOutliveTheirPool) {
  BlockRef block = MakeBlock(*pool_, 5.0f);
  BlockRef second = MakeBlock(*pool_, 6.0f);
  pool_.reset();
  second.Reset();
  EXPECT_THAT(block.floats(), Each(5.0f));
  BlockRef third = block;
  block.Reset();
  EXPECT_THAT(third.floats(), Each(5.0f));
}

TEST_P(BlockPoolTest, OwnerKeepsTheBlock) {
  BlockRef block = MakeBlock(*pool_, 7.0f);
  const auto floats = block.floats();
  std::shared_ptr<const void> owner = block.AsOwner();
  block.Reset();
  EXPECT_EQ(pool_->Stats().live_blocks, 1);
  EXPECT_THAT(floats, Each(7.0f));
  owner.reset();
  EXPECT_EQ(pool_->Stats().live_blocks, 0);
}

// The server's way: a writer computes into fresh blocks and swaps them in,
// readers keep what they got. Every value read must be whole.
TEST_P(BlockPoolTest, ReadersSeeWholeValuesWhileAWriterReplacesThem) {
  Mutex mu;
  BlockRef current = MakeBlock(*pool_, 0.0f);  // Guarded by mu.
  constexpr int kUpdates = 2000;
  std::vector<std::jthread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      float seen = 0;
      while (seen < kUpdates) {
        BlockRef mine;
        {
          MutexLock lock(&mu);
          mine = current;
        }
        const float value = mine.floats()[0];
        ASSERT_THAT(mine.floats(), Each(value));
        ASSERT_GE(value, seen);
        seen = value;
      }
    });
  }
  for (int i = 1; i <= kUpdates; ++i) {
    BlockRef next = MakeBlock(*pool_, 1.0f * i);
    MutexLock lock(&mu);
    std::swap(current, next);
    // `next`, the old value, is released after the lock.
  }
  readers.clear();
  EXPECT_EQ(pool_->Stats().live_blocks, 1);
}

// A holder found to be alone sees what the others did before they let go.
TEST_P(BlockPoolTest, AllocatesAndReleasesFromManyThreads) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 2000; ++i) {
        auto block = pool_->Allocate();
        ASSERT_TRUE(block.ok());
        std::ranges::fill(block->mutable_floats(), 1.0f * t);
        BlockRef copy = *block;
        block->Reset();
        ASSERT_TRUE(copy.Unique());
        ASSERT_EQ(copy.floats()[63], 1.0f * t);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(pool_->Stats().live_blocks, 0);
  EXPECT_LE(pool_->Stats().peak_blocks, 4);
}

TEST_P(BlockPoolTest, LastReleaseMayComeFromAnotherThreadThanTheWriter) {
  for (int i = 0; i < 200; ++i) {
    BlockRef block = MakeBlock(*pool_, 1.0f * i);
    std::jthread reader(
        [copy = block, i]() mutable { ASSERT_EQ(copy.floats()[0], 1.0f * i); });
    while (!block.Unique()) std::this_thread::yield();
    std::ranges::fill(block.mutable_floats(), -1.0f);
  }
}

using BlockPoolDeathTest = BlockPoolTest;
INSTANTIATE_TEST_SUITE_P(Backing, BlockPoolDeathTest, testing::Bool());

TEST_P(BlockPoolDeathTest, WritingASharedBlockIsABug) {
  BlockRef block = MakeBlock(*pool_, 1.0f);
  const BlockRef reader = block;
  EXPECT_DEATH(block.mutable_floats(), "immutable");
}

TEST(BlockPoolFileTest, AnotherMappingOfTheFileSeesBlocksAtTheirOffset) {
  auto pool = MakePool(Tiny(/*shared=*/true));
  MakeBlock(*pool, 1.0f).Reset();
  std::vector<BlockRef> blocks;
  for (int i = 0; i < 3; ++i) blocks.push_back(MakeBlock(*pool, 10.0f + i));

  void* const view = mmap(nullptr, pool->file_bytes(), PROT_READ, MAP_SHARED,
                          pool->fd(), /*offset=*/0);
  ASSERT_NE(view, MAP_FAILED);
  for (const BlockRef& block : blocks) {
    EXPECT_EQ(std::memcmp(static_cast<const char*>(view) + block.offset(),
                          block.bytes().data(), block.size()),
              0);
  }
  munmap(view, pool->file_bytes());
}

TEST(BlockPoolFileTest, NobodyElseCanMapTheFileForWriting) {
  auto pool = MakePool(Tiny(/*shared=*/true));
  void* const view = mmap(nullptr, pool->file_bytes(), PROT_READ | PROT_WRITE,
                          MAP_SHARED, pool->fd(), /*offset=*/0);
  EXPECT_EQ(view, MAP_FAILED);
}

TEST(BlockPoolFileTest, HeapPoolHasNoFile) {
  auto pool = MakePool(Tiny(/*shared=*/false));
  EXPECT_EQ(pool->fd(), -1);
  EXPECT_EQ(pool->file_bytes(), 0);
}

// The bytes of the system's pages under the mapping that begins there.
int64_t HugeBytesAt(const void* begin) {
  std::ifstream maps("/proc/self/smaps");
  const std::string wanted =
      absl::StrCat(absl::Hex(reinterpret_cast<uintptr_t>(begin)), "-");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    const std::string_view name = "ShmemPmdMapped:";
    if (line.find(':') > line.find('-')) found = line.starts_with(wanted);
    int64_t kib = 0;
    if (found && line.starts_with(name)) {
      std::istringstream(line.substr(name.size())) >> kib;
      return kib << 10;
    }
  }
  return -1;
}

// Only some systems make such pages of memory that is shared.
TEST(BlockPoolFileTest, ItsPagesAreHugeWherePossible) {
  constexpr int64_t kHuge = int64_t{2} << 20;
  auto pool = MakePool({.max_bytes = 8 * kHuge, .slab_bytes = 2 * kHuge});
  const BlockRef block = MakeBlock(*pool, 1.0f);
  const std::byte* const begin = block.bytes().data() - block.offset();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(begin) % kHuge, 0u);
  // A mapping that nobody prepared tells whether it does.
  void* const place = mmap(nullptr, 2 * kHuge, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, 0);
  ASSERT_NE(place, MAP_FAILED);
  const uintptr_t aligned =
      (reinterpret_cast<uintptr_t>(place) + kHuge - 1) / kHuge * kHuge;
  const int fd = memfd_create("probe", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, kHuge), 0);
  void* const probe =
      mmap(reinterpret_cast<void*>(aligned), kHuge, PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_FIXED, fd, 0);
  ASSERT_NE(probe, MAP_FAILED);
  madvise(probe, kHuge, MADV_HUGEPAGE);
  std::memset(probe, 1, kHuge);
  madvise(probe, kHuge, /*MADV_COLLAPSE=*/25);
  const bool possible = HugeBytesAt(probe) == kHuge;
  munmap(place, 2 * kHuge);
  close(fd);
  // A machine whose memory is in pieces may have one and not the other.
  EXPECT_GE(HugeBytesAt(begin), possible ? kHuge : 0);
}

TEST(BlockPoolFileTest, ServesBlocksOfTheDefaultSize) {
  auto pool = MakePool({.max_bytes = int64_t{1} << 30});
  EXPECT_EQ(pool->block_bytes(), 65536);
  EXPECT_EQ(MakeBlock(*pool, 1.0f).floats().size(), 16384u);
  // One slab of 2 MiB, not the whole bound.
  EXPECT_EQ(pool->Stats().free_bytes(), int64_t{2} << 20);
}

TEST(BlockPoolOptionsTest, RefusesWhatCannotWork) {
  const auto message = [](BlockPoolOptions options) {
    const absl::Status status = BlockPool::Create(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(message({.block_bytes = 100}),
            "memory pool 'blocks': block_bytes is 100; it must be a positive "
            "multiple of 64 below 4 GiB");
  EXPECT_THAT(message({.block_bytes = 0}), HasSubstr("block_bytes is 0"));
  EXPECT_THAT(
      message({.block_bytes = int64_t{1} << 32, .max_bytes = int64_t{1} << 33}),
      HasSubstr("block_bytes is 4294967296"));
  EXPECT_EQ(message({.block_bytes = 256, .max_bytes = 255}),
            "memory pool 'blocks': max_bytes is 255, less than one block of "
            "256");
  EXPECT_THAT(message({.slab_bytes = 0}), HasSubstr("slab_bytes is 0"));
}

TEST(BlockPoolOptionsTest, BoundIsRoundedDownToWholeBlocks) {
  auto pool = MakePool(
      {.block_bytes = 256, .max_bytes = 1023, .slab_bytes = 1, .shared = true});
  EXPECT_TRUE(pool->AllocateMany(3).ok());
  EXPECT_FALSE(pool->AllocateMany(4).ok());
}

}  // namespace
}  // namespace ebb::server

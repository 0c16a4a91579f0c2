#include "rpc/internal/bulk_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/time/time.h"

namespace ebb::rpc::internal {
namespace {

constexpr size_t kBlockBytes = BulkMemory::kBlockBytes;
constexpr int64_t kMost = 8;  // Blocks that are kept.

class BulkMemoryTest : public testing::Test {
 protected:
  // Takes so many, one after the other.
  std::vector<std::shared_ptr<std::byte>> Blocks(int count) {
    std::vector<std::shared_ptr<std::byte>> blocks;
    for (int i = 0; i < count; ++i) {
      blocks.push_back(memory_->Block(kBlockBytes, nullptr));
      std::memset(blocks.back().get(), 1, kBlockBytes);
    }
    return blocks;
  }
  int64_t kept() const {
    return memory_->kept_bytes() / static_cast<int64_t>(kBlockBytes);
  }
  // The next time that it looks.
  void Look() {
    now_ += BulkMemory::kKeptFor;
    memory_->GiveBackUnused(now_);
  }

  const std::shared_ptr<BulkMemory> memory_ =
      BulkMemory::Make(int64_t{1} << 30, kMost* int64_t{kBlockBytes});
  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(BulkMemoryTest, BlocksThatNoMessageNeedsGoBack) {
  Look();
  Blocks(kMost + 2);
  EXPECT_EQ(kept(), kMost);
  Look();
  EXPECT_EQ(kept(), kMost);  // They were used since it looked last.
  Look();
  EXPECT_EQ(kept(), 0);
}

TEST_F(BulkMemoryTest, BlocksThatAreUsedStay) {
  Blocks(kMost);
  Look();
  for (int i = 0; i < 5; ++i) {
    Blocks(3);
    Look();
  }
  EXPECT_EQ(kept(), 3);
}

TEST_F(BulkMemoryTest, OthersThatLookMeanwhileTakeNothing) {
  Look();
  Blocks(kMost);
  for (int i = 0; i < 100; ++i) memory_->GiveBackUnused(now_);
  EXPECT_EQ(kept(), kMost);
}

// The heap of a daemon gives nothing back to the system by itself.
TEST_F(BulkMemoryTest, ItsPagesAreTheSystemsAgain) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::vector<std::byte*> where;
  for (const auto& block : Blocks(kMost)) where.push_back(block.get());
  Look();
  Look();
  ASSERT_EQ(kept(), 0);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  int64_t resident = 0;
  for (std::byte* block : where) {
    std::vector<unsigned char> pages(kBlockBytes / page);
    // ENOMEM: they are not even reserved any more.
    if (mincore(block, kBlockBytes, pages.data()) != 0) continue;
    resident += std::ranges::count_if(
        pages, [](unsigned char one) { return (one & 1) != 0; });
  }
  // The heap writes a few bytes of its own into what is free.
  EXPECT_LE(resident, 2 * kMost);
}

}  // namespace
}  // namespace ebb::rpc::internal

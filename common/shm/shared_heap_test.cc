#include "common/shm/shared_heap.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "common/shm/memory_file.h"

namespace ebb::shm {
namespace {

constexpr int64_t kBytes = int64_t{1} << 20;

class SharedHeapTest : public testing::Test {
 protected:
  SharedHeapTest() { heap_->Open(); }
  std::span<std::byte> Take(int64_t bytes) {
    owners_.push_back(heap_->Take(bytes));
    return {owners_.back().get(), static_cast<size_t>(bytes)};
  }
  // Of the system's memory.
  int64_t resident() const {
    struct stat info = {};
    EXPECT_EQ(fstat(heap_->fd(), &info), 0);
    return info.st_blocks * int64_t{512};
  }

  std::shared_ptr<SharedHeap> heap_ = *SharedHeap::Create(kBytes);
  std::vector<std::shared_ptr<std::byte>> owners_;
};

TEST_F(SharedHeapTest, WhoMapsItReadsWhatLiesThere) {
  Take(100);
  const std::span<std::byte> bytes = Take(100);
  bytes[99] = std::byte{7};
  const auto offset = heap_->OffsetOf(bytes);
  ASSERT_TRUE(offset.has_value());
  EXPECT_EQ(*offset % 64, 0);

  const auto reader = MapToRead(heap_->fd(), heap_->bytes());
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->bytes()[*offset + 99], std::byte{7});
}

TEST_F(SharedHeapTest, KnowsWhatLiesElsewhere) {
  const std::span<std::byte> all = Take(kBytes);
  std::vector<std::byte> other(10);
  EXPECT_FALSE(heap_->OffsetOf(other).has_value());
  EXPECT_EQ(heap_->OffsetOf(all.last(10)), kBytes - 10);
}

TEST_F(SharedHeapTest, NobodyTakesOfItUntilSomebodyReads) {
  const auto closed = *SharedHeap::Create(kBytes);
  EXPECT_EQ(closed->Take(64), nullptr);
  closed->Open();
  EXPECT_NE(closed->Take(64), nullptr);
}

TEST_F(SharedHeapTest, IsFullOnceAndThenAgainNot) {
  Take(kBytes);
  EXPECT_EQ(heap_->Take(64), nullptr);
  owners_.clear();
  EXPECT_NE(heap_->Take(kBytes), nullptr);
}

TEST_F(SharedHeapTest, WhatIsFreedGoesBackToTheSystem) {
  const std::span<std::byte> kept = Take(100);
  const std::span<std::byte> freed = Take(kBytes / 2);
  std::ranges::fill(kept, std::byte{1});
  std::ranges::fill(freed, std::byte{2});
  EXPECT_GE(resident(), kBytes / 2);

  owners_.pop_back();

  EXPECT_LE(resident(), 8192);
  EXPECT_TRUE(std::ranges::all_of(
      kept, [](std::byte byte) { return byte == std::byte{1}; }));
}

TEST_F(SharedHeapTest, WhatWasTakenOutlivesIt) {
  const std::span<std::byte> bytes = Take(100);
  heap_.reset();
  std::ranges::fill(bytes, std::byte{1});
}

TEST_F(SharedHeapTest, WhatIsKeptIsNotWrittenOverAtItsEnd) {
  const std::span<std::byte> bytes = Take(kBytes / 2);
  std::ranges::fill(bytes, std::byte{1});
  const auto reader = MapToRead(heap_->fd(), heap_->bytes());
  ASSERT_TRUE(reader.ok()) << reader.status();
  Payload values;
  values.Append(std::move(owners_.back()), bytes);
  heap_->Keep({std::exchange(values, {})}, [] { return false; });

  heap_.reset();

  EXPECT_TRUE(
      std::ranges::all_of(reader->bytes().first(kBytes / 2),
                          [](std::byte byte) { return byte == std::byte{1}; }));
}

TEST_F(SharedHeapTest, KeepsWhatMayStillBeRead) {
  bool read = false;
  const auto keep = [&](int64_t bytes, std::function<bool()> unread) {
    Payload values;
    auto memory = heap_->Take(bytes);
    const std::span<const std::byte> span(memory.get(), bytes);
    values.Append(std::move(memory), span);
    heap_->Keep({std::move(values)}, std::move(unread));
  };
  keep(kBytes / 2, [&] { return read; });
  keep(kBytes / 4, [] { return false; });
  EXPECT_EQ(heap_->Take(kBytes / 2), nullptr);

  read = true;

  EXPECT_NE(heap_->Take(kBytes / 2), nullptr);
}

}  // namespace
}  // namespace ebb::shm

#include "common/shm/ring.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"

namespace ebb::shm {
namespace {

constexpr SideSize kSize = {.ring_bytes = 4096, .area_bytes = 0};

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span<const char>(text));
}

// Both ends, in one process.
struct Both {
  struct alignas(64) Side {
    std::byte bytes[SideSize::kHeaderBytes + 4096] = {};
  };
  std::unique_ptr<Side> a = std::make_unique<Side>();
  std::unique_ptr<Side> b = std::make_unique<Side>();
  Link one{a->bytes, kSize, b->bytes, kSize};
  Link other{b->bytes, kSize, a->bytes, kSize, /*steps_aside=*/true};

  SideHeader& header() { return *reinterpret_cast<SideHeader*>(a->bytes); }
  std::byte* ring() { return a->bytes + SideSize::kHeaderBytes; }
};

std::string Pattern(size_t size, char first) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(first + i);
  return text;
}

TEST(RingTest, RecordsArriveInOrderWhole) {
  Both both;
  Record record;
  EXPECT_EQ(both.other.Read(&record), Link::Got::kNothing);

  ASSERT_TRUE(both.one.Write(3, 7, {BytesOf("ab"), BytesOf("cde")}));
  ASSERT_TRUE(both.one.Write(4, 8, {}));

  ASSERT_EQ(both.other.Read(&record), Link::Got::kRecord);
  EXPECT_EQ(record.kind, 3);
  EXPECT_EQ(record.id, 7);
  EXPECT_EQ(record.bytes, "abcde");
  ASSERT_EQ(both.other.Read(&record), Link::Got::kRecord);
  EXPECT_EQ(record.id, 8);
  EXPECT_EQ(record.bytes, "");
  EXPECT_EQ(both.other.Read(&record), Link::Got::kNothing);
}

TEST(RingTest, ManyRecordsGoRoundAndRound) {
  Both both;
  Record record;
  for (int i = 0; i < 5000; ++i) {
    const std::string text = Pattern(i % 700, static_cast<char>(i));
    ASSERT_TRUE(both.one.Write(1, i, {BytesOf(text)}));
    ASSERT_EQ(both.other.Read(&record), Link::Got::kRecord);
    ASSERT_EQ(record.id, i);
    ASSERT_EQ(record.bytes, text);
  }
}

TEST(RingTest, WhatIsNotReadIsNeverOverwritten) {
  Both both;
  const std::string text = Pattern(1000, 'a');
  int written = 0;
  while (both.one.Write(1, written, {BytesOf(text)})) ++written;
  EXPECT_EQ(written, 4);  // 1024 each, with its header, rounded up.

  Record record;
  ASSERT_EQ(both.other.Read(&record), Link::Got::kRecord);
  EXPECT_EQ(record.id, 0);
  EXPECT_EQ(record.bytes, text);
  EXPECT_TRUE(both.one.Write(1, 4, {BytesOf(text)}));
  EXPECT_FALSE(both.one.Write(1, 5, {}));
}

TEST(RingTest, TheLongestRecordFits) {
  Both both;
  EXPECT_TRUE(
      both.one.Write(1, 1, {BytesOf(std::string(both.one.most_bytes(), 'x'))}));
}

TEST(RingTest, ASleeperIsWokenAtOnce) {
  Both both;
  const absl::Time begun = absl::Now();
  std::thread reader([&] {
    Record record;
    while (both.other.Read(&record) != Link::Got::kRecord) {
      both.other.Wait(Link::kRecords, absl::Seconds(20));
    }
  });
  auto& waits = reinterpret_cast<SideHeader*>(both.b->bytes)->waits;
  while (waits.load() == 0) std::this_thread::yield();

  both.one.Write(1, 1, {});
  both.one.Wake(Link::kRecords);
  reader.join();

  EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
}

// Which core it is on is a number that the other may write.
TEST(RingTest, AnyCoreMayBeSaid) {
  for (const uint32_t core : {1u, 1u << 31, ~0u}) {
    Both both;
    both.header().core = core;
    std::thread reader([&] {
      Record record;
      while (both.other.Read(&record) != Link::Got::kRecord) {
        both.other.Wait(Link::kRecords, absl::Seconds(20));
      }
    });
    auto& waits = reinterpret_cast<SideHeader*>(both.b->bytes)->waits;
    while (waits.load() == 0) std::this_thread::yield();
    both.one.Write(1, 1, {});
    both.one.Wake(Link::kRecords);
    reader.join();
  }
}

TEST(RingTest, AWriterThatWaitsForRoomIsWokenByTheReader) {
  Both both;
  while (both.one.Write(1, 1, {})) {
  }
  const absl::Time begun = absl::Now();
  std::thread writer([&] {
    while (!both.one.Write(1, 2, {})) {
      both.one.Wait(Link::kRecords | Link::kRoom, absl::Seconds(20));
    }
  });
  while (both.header().waits.load() == 0) std::this_thread::yield();

  Record record;
  ASSERT_EQ(both.other.Read(&record), Link::Got::kRecord);
  both.other.Wake(Link::kRoom);
  writer.join();

  EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
}

TEST(RingTest, AWaitEndsWithoutAnybody) {
  Both both;
  both.one.Wait(Link::kRecords, absl::Milliseconds(1));
}

// --- A peer that writes what it likes, where it likes ------------------------

TEST(RingTest, NonsenseOfTheWriterIsSeen) {
  Record record;
  {
    Both more_than_the_ring;
    more_than_the_ring.header().written.store(4096 + 16);
    EXPECT_EQ(more_than_the_ring.other.Read(&record), Link::Got::kNonsense);
  }
  {
    Both backwards;
    backwards.header().written.store(uint64_t{0} - 16);
    EXPECT_EQ(backwards.other.Read(&record), Link::Got::kNonsense);
  }
  {
    Both half_a_record;
    half_a_record.header().written.store(8);
    EXPECT_EQ(half_a_record.other.Read(&record), Link::Got::kNonsense);
  }
  for (const uint32_t size : {17u, 4096u, 0xfffffff0u, 0xffffffffu}) {
    Both longer_than_written;
    ASSERT_TRUE(longer_than_written.one.Write(1, 1, {BytesOf("0123456789")}));
    std::memcpy(longer_than_written.ring(), &size, sizeof(size));
    EXPECT_EQ(longer_than_written.other.Read(&record), Link::Got::kNonsense);
  }
}

TEST(RingTest, NonsenseOfTheReaderMakesTheRingFull) {
  Both both;
  auto& consumed = reinterpret_cast<SideHeader*>(both.b->bytes)->consumed;
  consumed.store(16);
  EXPECT_FALSE(both.one.Write(1, 1, {}));
  consumed.store(uint64_t{0} - 8192);
  EXPECT_FALSE(both.one.Write(1, 1, {}));
  consumed.store(0);
  EXPECT_TRUE(both.one.Write(1, 1, {}));
}

// All of the writer's file changes all the time under the reader, who must stay
// within it whatever it finds (the sanitizers see), and end. The writer is a
// process of its own, as it would be.
TEST(RingTest, AScribblerHurtsItselfOnly) {
  constexpr auto kTime = absl::Milliseconds(300);
  constexpr size_t kBytes = SideSize::kHeaderBytes + 4096;
  void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const std::span<std::byte> scribbled(static_cast<std::byte*>(memory), kBytes);
  auto& header = *static_cast<SideHeader*>(memory);
  const pid_t scribbler = fork();
  if (scribbler == 0) {
    std::mt19937 random(1);
    auto* const words = static_cast<std::atomic<uint32_t>*>(memory);
    while (true) {
      for (int i = 0; i < 64; ++i) {
        // Sizes that look right, mostly, at any place of the ring.
        words[SideSize::kHeaderBytes / 4 + random() % 1024].store(
            random() % 8 == 0 ? random() : random() % 64);
      }
      header.written.store(random() % 64 * 16);
    }
  }

  int nonsense = 0, records = 0;
  const absl::Time end = absl::Now() + kTime;
  while (absl::Now() < end) {
    Both both;
    Link reader(both.b->bytes, kSize, scribbled, kSize);
    Record record;
    for (int i = 0; i < 2000; ++i) {
      const Link::Got got = reader.Read(&record);
      if (got == Link::Got::kNonsense) {
        ++nonsense;
        break;
      }
      if (got == Link::Got::kRecord) {
        ++records;
        ASSERT_LE(record.bytes.size(), 4096u);
      }
    }
  }
  kill(scribbler, SIGKILL);
  waitpid(scribbler, nullptr, 0);
  munmap(memory, kBytes);

  EXPECT_GT(nonsense, 0);
  EXPECT_GT(records, 0);
}

}  // namespace
}  // namespace ebb::shm

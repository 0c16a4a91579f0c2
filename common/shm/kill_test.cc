// Processes that write to a ring, or read from one, and are killed at random
// instants: the other end finds whole records in their order, or none.
//
// EBB_SHM_KILLS: how many of each kind; else 1000, or what fits into half a
// minute.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <string>

#include "absl/time/clock.h"
#include "common/shm/memory_file.h"
#include "common/shm/ring.h"

namespace ebb::shm {
namespace {

constexpr SideSize kSize = {.ring_bytes = 8192, .area_bytes = 0};
constexpr int kLongestMicros = 3000;
constexpr size_t kMostBytes = 900;

int Kills() {
  const char* const text = std::getenv("EBB_SHM_KILLS");
  return text == nullptr ? 1000 : std::atoi(text);
}
absl::Duration AtMost() {
  return std::getenv("EBB_SHM_KILLS") == nullptr ? absl::Seconds(15)
                                                 : absl::InfiniteDuration();
}

// The contents of record number `id`.
std::string Contents(uint64_t id) {
  std::mt19937_64 random(id);
  std::string bytes(random() % kMostBytes, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

struct Files {
  Files()
      : one(*CreateMemoryFile("one", kSize.file_bytes())),
        other(*CreateMemoryFile("other", kSize.file_bytes())) {}
  Fd one;
  Fd other;
};

// A process with a link of its own that does `work` until it is killed.
template <typename Work>
pid_t Start(const Fd& own, const Fd& peer, Work work) {
  const pid_t child = fork();
  if (child != 0) return child;
  const auto mine = MapToWrite(own.get(), kSize.file_bytes());
  const auto theirs = MapToRead(peer.get(), kSize.file_bytes());
  Link link(mine->bytes(), kSize, theirs->bytes(), kSize);
  work(&link);
  _exit(1);
}

void Kill(pid_t child) {
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
}

TEST(ShmKillTest, OfAKilledWriterWholeRecordsAreLeft) {
  std::mt19937 random(1);
  const absl::Time end = absl::Now() + AtMost();
  int64_t records = 0;
  int kills = 0;
  for (; kills < Kills() && absl::Now() < end; ++kills) {
    const Files files;
    const auto own = MapToWrite(files.other.get(), kSize.file_bytes());
    const auto peer = MapToRead(files.one.get(), kSize.file_bytes());
    Link link(own->bytes(), kSize, peer->bytes(), kSize);
    const pid_t writer = Start(files.one, files.other, [](Link* out) {
      for (uint64_t id = 0;; ++id) {
        const std::string bytes = Contents(id);
        while (!out->Write(5, id, {std::as_bytes(std::span(bytes))})) {
          out->Wait(Link::kRecords | Link::kRoom, absl::Milliseconds(50));
        }
        out->Wake(Link::kRecords);
      }
    });

    const absl::Time until =
        absl::Now() + absl::Microseconds(random() % kLongestMicros);
    bool killed = false;
    uint64_t next = 0;
    Record record;
    while (true) {
      const Link::Got got = link.Read(&record);
      ASSERT_NE(got, Link::Got::kNonsense);
      if (got == Link::Got::kRecord) {
        link.Wake(Link::kRoom);
        ASSERT_EQ(record.kind, 5);
        ASSERT_EQ(record.id, next);
        ASSERT_EQ(record.bytes, Contents(next));
        ++next;
        ++records;
      } else if (killed) {
        break;
      } else {
        link.Wait(Link::kRecords, absl::Microseconds(200));
      }
      if (!killed && absl::Now() >= until) {
        Kill(writer);
        killed = true;
      }
    }
  }
  EXPECT_GT(records, kills);
  RecordProperty("kills", kills);
}

TEST(ShmKillTest, AfterAKilledReaderTheNextGoesOn) {
  std::mt19937 random(2);
  const absl::Time end = absl::Now() + AtMost();
  int kills = 0;
  int64_t records = 0;
  for (; kills < Kills() && absl::Now() < end; ++kills) {
    const Files files;
    const auto own = MapToWrite(files.one.get(), kSize.file_bytes());
    const auto peer = MapToRead(files.other.get(), kSize.file_bytes());
    Link link(own->bytes(), kSize, peer->bytes(), kSize);
    const pid_t reader = Start(files.other, files.one, [](Link* in) {
      Record record;
      for (uint64_t next = 0;;) {
        const Link::Got got = in->Read(&record);
        if (got == Link::Got::kNonsense) return;
        if (got == Link::Got::kNothing) {
          in->Wait(Link::kRecords, absl::Milliseconds(50));
          continue;
        }
        if (record.id != next || record.bytes != Contents(next)) return;
        ++next;
        in->Wake(Link::kRoom);
      }
    });

    const absl::Time until =
        absl::Now() + absl::Microseconds(random() % kLongestMicros);
    uint64_t id = 0;
    while (absl::Now() < until) {
      const std::string bytes = Contents(id);
      if (link.Write(5, id, {std::as_bytes(std::span(bytes))})) {
        ++id;
        ++records;
        link.Wake(Link::kRecords);
      } else {
        link.Wait(Link::kRecords | Link::kRoom, absl::Microseconds(200));
      }
    }
    Kill(reader);
    // Nothing waits for the dead: the ring is full after a while, and that is
    // all.
    int more = 0;
    while (link.Write(5, id, {})) ASSERT_LT(++more, 8192 / 16 + 1);
    link.Wait(Link::kRecords | Link::kRoom, absl::Microseconds(1));
  }
  EXPECT_GT(records, kills);
  RecordProperty("kills", kills);
}

}  // namespace
}  // namespace ebb::shm

// Kills a process that writes checkpoints to a disk or to a shared folder,
// again and again: whatever it was told is stored is stored, bit by bit.
#include <glog/logging.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/internal/store_test_util.h"
#include "server/store/rocksdb_store.h"

namespace ebb::server {
namespace {

constexpr int64_t kBlockBytes = 8192;
constexpr int64_t kBlockFloats = kBlockBytes / 4;
constexpr size_t kBlocks = 32;
constexpr int32_t kPartitions = 2;
constexpr size_t kVersionsKept = 3;

RocksDbStoreOptions Options(const std::string& folder) {
  // Small, so that it flushes and compacts all the time; and about half of the
  // versions go past the log.
  return {.folder = folder,
          .write_buffer_bytes = 1 << 20,
          .most_logged_bytes = kBlocks * kBlockBytes / 2};
}

// The kinds of places that --write takes.
constexpr char kDisk[] = "disk";
constexpr char kShared[] = "shared";

std::unique_ptr<CheckpointStore> OpenStore(const std::string& kind,
                                           const std::string& folder) {
  if (kind == kShared) {
    auto store = OpenFolderCheckpoints({.folder = folder});
    if (!store.ok()) LOG(FATAL) << store.status();
    return *std::move(store);
  }
  auto store = RocksDbStore::Open(Options(folder));
  if (!store.ok()) LOG(FATAL) << store.status();
  return *std::move(store);
}

// FNV-1a over all values.
uint64_t HashOf(const Cut& cut) {
  uint64_t hash = 14695981039346656037u;
  for (const auto& [name, array] : cut.arrays) {
    for (const BlockRef& block : array.blocks) {
      for (const std::byte byte : block.bytes()) {
        hash = (hash ^ static_cast<uint64_t>(byte)) * 1099511628211u;
      }
    }
  }
  return hash;
}

// --- The process that is killed ----------------------------------------------

// Changes some blocks, as training does.
void Train(BlockPool& pool, std::minstd_rand& random, Cut* cut) {
  for (BlockRef& block : cut->arrays["weights"].blocks) {
    if (random() % 2 == 0) continue;
    block = *pool.CopyForWrite(block);
    for (float& value : block.mutable_floats()) {
      value += static_cast<float>(random() % 1000);
    }
  }
  ++cut->updates;
}

// Goes on from the newest version of each partition, and tells of every
// version that is stored ("w ...") or about to be deleted ("d ...").
int Write(const std::string& kind, const std::string& folder, uint64_t term) {
  const auto store = OpenStore(kind, folder);
  const auto pool = MakePool(kBlockBytes, 1024);
  std::minstd_rand random(term);
  std::map<int32_t, std::vector<VersionKey>> versions;
  for (const VersionKey& key : VersionsIn(*store)) {
    versions[key.partition.value()].push_back(key);
  }
  std::map<int32_t, Cut> cuts;
  for (int32_t p = 0; p < kPartitions; ++p) {
    if (versions[p].empty()) {
      cuts[p].arrays["weights"] =
          MakeArray(*pool, kBlocks * kBlockFloats, 0.0f);
    } else {
      auto cut = store->Load(versions[p].back(), pool.get());
      if (!cut.ok()) LOG(FATAL) << cut.status();
      cuts[p] = *std::move(cut);
    }
  }
  for (int64_t sequence = 0;; ++sequence) {
    for (auto& [partition, cut] : cuts) {
      if (sequence > 0) Train(*pool, random, &cut);
      const VersionKey key = Key(sequence, 1, partition, term);
      const auto result = store->Write(key, cut);
      if (!result.ok()) LOG(FATAL) << result.status();
      std::printf("w %d %" PRIu64 " %" PRId64 " %" PRIu64 "\n", partition, term,
                  sequence, HashOf(cut));
      std::fflush(stdout);
      std::vector<VersionKey>& known = versions[partition];
      known.push_back(key);
      while (known.size() > kVersionsKept) {
        const VersionKey old = known.front();
        known.erase(known.begin());
        std::printf("d %d %" PRIu64 " %" PRId64 " 0\n", partition,
                    old.term.value(), old.sequence);
        std::fflush(stdout);
        const VersionKey keys[] = {old};
        if (absl::Status status = store->Delete(keys); !status.ok()) {
          LOG(FATAL) << status;
        }
      }
    }
  }
}

// --- The one that kills ------------------------------------------------------

// Lets a writer live for a while and returns what it told.
std::string WriteAndDie(const std::string& kind, const std::string& folder,
                        uint64_t term, std::chrono::milliseconds life) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const std::string number = std::to_string(term);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl("/proc/self/exe", "writer", "--write", kind.c_str(), folder.c_str(),
          number.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::thread killer([child, life] {
    std::this_thread::sleep_for(life);
    kill(child, SIGKILL);
  });
  std::string told;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    told.append(buffer, n);
  }
  close(ends[0]);
  killer.join();
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the writer ended by itself: " << status;
  return told;
}

// By key, the hash of what must be there.
using Oracle = std::map<VersionKey, uint64_t>;

// Returns how many versions were written.
int64_t Believe(const std::string& told, Oracle* oracle) {
  int64_t written = 0;
  std::vector<std::string> lines = absl::StrSplit(told, '\n');
  lines.pop_back();  // Torn, or empty.
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    int32_t partition = 0;
    int64_t sequence = 0;
    uint64_t term = 0, hash = 0;
    EXPECT_TRUE(words.size() == 5 && absl::SimpleAtoi(words[1], &partition) &&
                absl::SimpleAtoi(words[2], &term) &&
                absl::SimpleAtoi(words[3], &sequence) &&
                absl::SimpleAtoi(words[4], &hash))
        << line;
    const VersionKey key = Key(sequence, 1, partition, term);
    if (words[0] == "w") {
      (*oracle)[key] = hash;
      ++written;
    } else {
      oracle->erase(key);
    }
  }
  return written;
}

TEST(StoreKillTest, WhatWasAcknowledgedIsThereBitByBit) {
  const TestFolder folder{TestFolder::On::kMemory};
  Oracle oracle;
  std::minstd_rand random(20);
  int64_t written = 0;
  int lives_that_wrote = 0;
  for (uint64_t term = 1; term <= 20; ++term) {
    SCOPED_TRACE(term);
    const std::chrono::milliseconds life(20 + random() % 400);
    const int64_t now =
        Believe(WriteAndDie(kDisk, folder.path(), term, life), &oracle);
    written += now;
    lives_that_wrote += now > 0;

    const auto store = RocksDbStore::Open(Options(folder.path()));
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->condition().rescues, 0);
    EXPECT_EQ((*store)->condition().damaged_records, 0);
    const auto pool = MakePool(kBlockBytes, 1024);
    for (const auto& [key, hash] : oracle) {
      const auto cut = (*store)->Load(key, pool.get());
      ASSERT_TRUE(cut.ok()) << cut.status();
      EXPECT_EQ(HashOf(*cut), hash);
    }
    // One may be there that it had no time to tell of; it is whole.
    const std::vector<VersionKey> versions = VersionsIn(**store);
    for (const VersionKey& key : versions) {
      EXPECT_TRUE((*store)->Verify(key).ok());
    }
    EXPECT_GE(versions.size(), oracle.size());
    EXPECT_LE(versions.size(), kPartitions * (kVersionsKept + 2));
  }
  EXPECT_GT(lives_that_wrote, 10);
  std::printf("%" PRId64 " versions written in %d lives\n", written,
              lives_that_wrote);
}

TEST(StoreKillTest, WhatASharedFolderAcknowledgedIsThereBitByBit) {
  const TestFolder folder{TestFolder::On::kMemory};
  Oracle oracle;
  std::minstd_rand random(21);
  int64_t written = 0;
  int lives_that_wrote = 0;
  for (uint64_t term = 1; term <= 20; ++term) {
    SCOPED_TRACE(term);
    const std::chrono::milliseconds life(20 + random() % 200);
    const int64_t now =
        Believe(WriteAndDie(kShared, folder.path(), term, life), &oracle);
    written += now;
    lives_that_wrote += now > 0;

    const auto store = OpenStore(kShared, folder.path());
    const auto pool = MakePool(kBlockBytes, 1024);
    for (const auto& [key, hash] : oracle) {
      const auto cut = store->Load(key, pool.get());
      ASSERT_TRUE(cut.ok()) << cut.status();
      EXPECT_EQ(HashOf(*cut), hash);
    }
    // One may be there that it had no time to tell of; it is whole.
    const std::vector<VersionKey> versions = VersionsIn(*store);
    for (const VersionKey& key : versions) {
      EXPECT_EQ(store->Load(key, pool.get()).status(), absl::OkStatus());
    }
    EXPECT_GE(versions.size(), oracle.size());
    EXPECT_LE(versions.size(), kPartitions * (kVersionsKept + 2));
  }
  EXPECT_GT(lives_that_wrote, 10);
  std::printf("%" PRId64 " versions written in %d lives\n", written,
              lives_that_wrote);
}

}  // namespace
}  // namespace ebb::server

int main(int argc, char** argv) {
  uint64_t term = 0;
  if (argc == 5 && std::string(argv[1]) == "--write" &&
      absl::SimpleAtoi(argv[4], &term)) {
    return ebb::server::Write(argv[2], argv[3], term);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// The power goes at many points of a server's writing, and what was not synced
// is lost, bytes and names of files alike: whatever was reported stored is
// there, bit by bit.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "server/store/internal/store_test_util.h"
#include "server/store/rocksdb_store.h"
#include "tests/testing/faulty_disk.h"

namespace ebb::server {
namespace {

constexpr int64_t kBlockBytes = 8192;
constexpr int64_t kBlockFloats = kBlockBytes / 4;
constexpr int64_t kVersions = 24;
constexpr size_t kKept = 3;

// Writes versions as training does, from the newest on or from the beginning,
// until all are written or the power goes; what was reported is in `stored`.
void Write(RocksDbStore* store, BlockPool* pool, uint64_t term,
           std::map<VersionKey, Cut>* stored) {
  std::minstd_rand random(static_cast<uint32_t>(term));
  std::vector<VersionKey> versions = VersionsIn(*store);
  Cut cut = MakeCut(*pool, 16 * kBlockFloats, 1);
  if (!versions.empty()) {
    auto loaded = store->Load(versions.back(), pool);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    cut = *std::move(loaded);
  }
  for (int64_t sequence = 0; sequence < kVersions; ++sequence) {
    for (size_t i = 0; sequence > 0 && i < 16; ++i) {
      if (random() % 2 == 0) ChangeBlock(*pool, &cut.arrays["weights"], i);
    }
    ++cut.updates;
    const VersionKey key = Key(sequence, 1, 0, term);
    if (!store->Write(key, cut).ok()) return;
    (*stored)[key] = cut;
    versions.push_back(key);
    while (versions.size() > kKept) {
      const VersionKey old[] = {versions.front()};
      versions.erase(versions.begin());
      stored->erase(old[0]);
      if (!store->Delete(old).ok()) return;
    }
  }
}

TEST(PowerLossTest, WhatWasReportedStoredIsThereBitByBit) {
  std::minstd_rand random(1);
  const auto any = [&](int64_t most) {
    return static_cast<int64_t>(random()) % (most + 1);
  };
  size_t checked = 0, losses = 0;
  // How many operations there are depends on when RocksDB's threads write: more
  // places are tried until enough versions were met.
  int64_t first = 0;
  for (int64_t operations = 0; first < 31; operations += 31) {
    SCOPED_TRACE(operations);
    bool met = true;
    const TestFolder folder{TestFolder::On::kMemory};
    FaultyDisk disk(/*strict=*/true);
    std::map<VersionKey, Cut> stored;
    const auto pool = MakePool(kBlockBytes, 4096);
    // By turns through the log and past it.
    const RocksDbStoreOptions options = {
        .folder = folder.path(),
        .write_buffer_bytes = 64 << 10,
        .most_logged_bytes = operations % 2 == 0 ? 0 : 1 << 20,
        .env = disk.env()};
    // The second life begins over what the first one left.
    for (const uint64_t term : {10, 11}) {
      disk.CutPowerAfter(term == 10 ? operations : operations / 2);
      auto store = RocksDbStore::Open(options);
      if (store.ok()) {
        Write(store->get(), pool.get(), term, &stored);
        store->reset();
      }
      met = disk.operations() >= operations;
      losses += met ? 1 : 0;
      disk.LoseUnsynced(any);

      store = RocksDbStore::Open(options);
      ASSERT_TRUE(store.ok()) << store.status();
      EXPECT_EQ((*store)->condition().rescues, 0);
      EXPECT_EQ((*store)->condition().damaged_records, 0);
      for (const auto& [key, cut] : stored) {
        ExpectStored(**store, *pool, key, cut);
        ++checked;
      }
      for (const VersionKey& key : VersionsIn(**store)) {
        EXPECT_TRUE((*store)->Verify(key).ok());
      }
    }
    if (HasFailure()) break;
    if (met) continue;
    if (losses > 20 && checked > 100) break;
    operations = (first += 7) - 31;
  }
  EXPECT_GT(losses, 20u);
  EXPECT_GT(checked, 100u);
  std::printf("%zu losses of power, %zu versions loaded\n", losses, checked);
}

}  // namespace
}  // namespace ebb::server

// The common parts of the tests of checkpoint stores.
#ifndef EBB_SERVER_STORE_INTERNAL_STORE_TEST_UTIL_H_
#define EBB_SERVER_STORE_INTERNAL_STORE_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/testing/test_folder.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/store/checkpoint_store.h"

namespace ebb::server {

inline std::unique_ptr<BlockPool> MakePool(int64_t block_bytes = 256,
                                           int64_t blocks = 4096) {
  auto pool = BlockPool::Create({.name = "test",
                                 .block_bytes = block_bytes,
                                 .max_bytes = blocks * block_bytes,
                                 .slab_bytes = 64 * block_bytes,
                                 .shared = false});
  EXPECT_TRUE(pool.ok()) << pool.status();
  return *std::move(pool);
}

inline VersionKey Key(int64_t sequence, uint64_t job = 1, int32_t partition = 0,
                      uint64_t term = 10) {
  return {JobId(job), Generation(7), PartitionId(partition), Term(term),
          sequence};
}

// An array of `floats` floats that count up from `first`.
inline CutArray MakeArray(BlockPool& pool, int64_t floats, float first) {
  CutArray array;
  array.floats = floats;
  const int64_t per_block = pool.block_bytes() / 4;
  for (int64_t begin = 0; begin < floats; begin += per_block) {
    auto block = pool.Allocate();
    EXPECT_TRUE(block.ok()) << block.status();
    // Beyond the array's end there is something that must not matter.
    std::ranges::fill(block->mutable_floats(), -1.0f);
    const int64_t used = std::min(per_block, floats - begin);
    for (int64_t i = 0; i < used; ++i) {
      block->mutable_floats()[i] = first + static_cast<float>(begin + i);
    }
    array.blocks.push_back(*std::move(block));
  }
  return array;
}

// A cut with something in every field.
inline Cut MakeCut(BlockPool& pool, int64_t floats, float first) {
  Cut cut;
  cut.marks = std::string("marks\0\xff", 7);
  cut.ledger = "ledger " + std::to_string(first);
  cut.updates = 1234567890123;
  cut.oracle = {0, 1, 0xffffffffffffffff};
  cut.loss = {{0, {.loss_sum = 0.1, .examples = 3}},
              {7, {.loss_sum = -1e300, .examples = 0}}};
  cut.arrays["weights"] = MakeArray(pool, floats, first);
  cut.arrays["slot:0"] = MakeArray(pool, floats, -first);
  return cut;
}

// Replaces one block of an array by one with other contents.
inline void ChangeBlock(BlockPool& pool, CutArray* array, size_t i) {
  auto block = pool.CopyForWrite(array->blocks[i]);
  ASSERT_TRUE(block.ok()) << block.status();
  block->mutable_floats()[0] += 1000;
  array->blocks[i] = *std::move(block);
}

inline std::vector<float> Values(const CutArray& array) {
  std::vector<float> values;
  for (const BlockRef& block : array.blocks) {
    values.insert(values.end(), block.floats().begin(), block.floats().end());
  }
  if (static_cast<int64_t>(values.size()) > array.floats) {
    values.resize(array.floats);
  }
  return values;
}

inline void ExpectSameCut(const Cut& a, const Cut& b) {
  EXPECT_EQ(a.marks, b.marks);
  EXPECT_EQ(a.ledger, b.ledger);
  EXPECT_EQ(a.updates, b.updates);
  EXPECT_EQ(a.oracle, b.oracle);
  EXPECT_EQ(a.loss, b.loss);
  ASSERT_EQ(a.arrays.size(), b.arrays.size());
  for (const auto& [name, array] : a.arrays) {
    ASSERT_TRUE(b.arrays.contains(name)) << name;
    const CutArray& other = b.arrays.at(name);
    EXPECT_EQ(array.floats, other.floats) << name;
    EXPECT_EQ(Values(array), Values(other)) << name;
  }
}

// Loads a version and compares it with the written one.
inline void ExpectStored(CheckpointStore& store, BlockPool& pool,
                         const VersionKey& key, const Cut& cut) {
  const auto loaded = store.Load(key, &pool);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ExpectSameCut(*loaded, cut);
}

inline std::vector<VersionKey> VersionsIn(CheckpointStore& store) {
  const auto inventory = store.List();
  EXPECT_TRUE(inventory.ok()) << inventory.status();
  return inventory.ok() ? inventory->versions : std::vector<VersionKey>{};
}

inline StoredJob MakeJob(uint64_t id, absl::string_view name) {
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(id);
  record->name = std::string(name);
  record->plan.examples = 100;
  record->plan.shard_size = 10;
  record->plan.partitions = 4;
  record->specification = "specification";
  StoredJob job;
  job.record = std::move(record);
  job.generation = Generation(7);
  job.rollback.versions = {Key(3, id), Key(4, id, 1)};
  job.known_servers = {ServerId(0), ServerId(5)};
  return job;
}

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_STORE_TEST_UTIL_H_

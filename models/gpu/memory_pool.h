// A device's memory, kept for the next that asks: getting some from the device
// stops all that it does.
#ifndef EBB_MODELS_GPU_MEMORY_POOL_H_
#define EBB_MODELS_GPU_MEMORY_POOL_H_

#include <cstdint>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace ebb::models::gpu {

// The source of the pool's blocks.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // Aligned to 256 bytes; null if there is not enough memory.
  virtual void* NewBlock(int64_t bytes) = 0;
  virtual void DeleteBlock(void* block) = 0;
};

// Blocks are given out again in the order of the calls: the caller that frees a
// block makes sure that later calls come after those that used it. Not
// thread-safe.
class MemoryPool {
 public:
  // The source is not owned and outlives the pool.
  explicit MemoryPool(BlockSource* source) : source_(source) {}
  ~MemoryPool();  // Blocks that were not freed too.
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // Returns at least `bytes`, which is 1 or more. Before it fails with
  // kResourceExhausted, free blocks go back to the source.
  absl::StatusOr<void*> Allocate(int64_t bytes);
  // Takes null too.
  void Free(void* block);
  // Gives free blocks back to the source.
  void Trim();

  // Bytes given out, with those by which they were rounded up.
  int64_t used_bytes() const { return used_bytes_; }
  // Kept for the next that asks.
  int64_t free_bytes() const { return free_bytes_; }

  // A power of two up to a MiB, then whole MiB: blocks of nearly one size serve
  // each other.
  static int64_t RoundUp(int64_t bytes);

 private:
  BlockSource* const source_;           // Not owned.
  std::multimap<int64_t, void*> free_;  // By their size.
  absl::flat_hash_map<void*, int64_t> used_;
  int64_t used_bytes_ = 0;
  int64_t free_bytes_ = 0;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_MEMORY_POOL_H_

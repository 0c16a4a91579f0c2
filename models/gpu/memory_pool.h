// A device's memory, kept for the next that asks: getting some from the device
// stops all that it does.
#ifndef EBB_MODELS_GPU_MEMORY_POOL_H_
#define EBB_MODELS_GPU_MEMORY_POOL_H_

#include <cstdint>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace ebb::models::gpu {

// Where the pool gets its blocks.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // Aligned to 256 bytes; null where there are not so many.
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

  // At least `bytes`, of which there are 1 or more. What is free goes back to
  // the source before it is said that there is no room: kResourceExhausted.
  absl::StatusOr<void*> Allocate(int64_t bytes);
  // Takes null too.
  void Free(void* block);
  // Gives the source back what is free.
  void Trim();

  // Given out, with what they were rounded up by.
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

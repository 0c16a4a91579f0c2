// Fixed-size, reference-counted blocks of memory with a bound.
#ifndef EBB_SERVER_MEMORY_BLOCK_POOL_H_
#define EBB_SERVER_MEMORY_BLOCK_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/memory/block.h"

namespace ebb::server {

struct BlockPoolOptions {
  // Appears in error messages.
  std::string name = "blocks";
  // Payload of a block, in bytes: a multiple of 64. Default 64 KiB; with
  // smaller ones a push to few rows copies less, and large values cost more.
  // The simulator uses 256.
  int64_t block_bytes = int64_t{64} << 10;
  // Most bytes of all blocks, free ones included; rounded down to whole blocks.
  // Address space for it is reserved at once, memory as it is needed. Default
  // 4 GiB; servers give ServerShellOptions::value_bytes.
  int64_t max_bytes = int64_t{4} << 30;
  // The pool grows by this many bytes at a time (rounded up to whole blocks).
  // Meanwhile the thread that needs a block waits, with the lock of its
  // partition. Default 2 MiB, a huge page: it takes a virtual machine up to
  // 5 ms.
  int64_t slab_bytes = int64_t{2} << 20;
  // In a memory file that another process can map (`fd()`), else on the heap:
  // for the many small pools of tests, and where memfd_create is forbidden.
  // Default: true.
  bool shared = true;

  // InvalidArgument for what cannot work.
  absl::Status Validate() const;
};

struct BlockPoolStats {
  int64_t block_bytes = 0;
  int64_t live_blocks = 0;  // Blocks that have a reference.
  int64_t free_blocks = 0;  // Obtained from the system and idle.
  int64_t peak_blocks = 0;  // The most that were live at once.
  int64_t promised_blocks = 0;
  int64_t max_blocks = 0;  // The bound.
  int64_t live_bytes() const { return live_blocks * block_bytes; }
  int64_t free_bytes() const { return free_blocks * block_bytes; }
};

class BlockPool;

// Room that a pool has promised: the result of BlockPool::Promise. Movable; the
// promise ends with it.
class PromisedBlocks {
 public:
  PromisedBlocks() = default;
  PromisedBlocks(PromisedBlocks&& other) noexcept
      : core_(std::move(other.core_)), count_(other.count_) {}
  PromisedBlocks& operator=(PromisedBlocks&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(count_, other.count_);
    other.Drop();
    return *this;
  }
  ~PromisedBlocks() { Drop(); }

  explicit operator bool() const { return core_ != nullptr; }
  int64_t count() const { return count_; }
  // Promises this many blocks instead, at least 0. False: these would be beyond
  // the bound, and the promise is unchanged. The promise must have been made.
  bool Resize(int64_t count);

 private:
  friend class BlockPool;
  PromisedBlocks(std::shared_ptr<internal::BlockPoolCore> core, int64_t count)
      : core_(std::move(core)), count_(count) {}
  void Drop();

  std::shared_ptr<internal::BlockPoolCore> core_;
  int64_t count_ = 0;
};

// A slab pool with a free list. Blocks go back to the free list with their
// last reference, the most recently used is handed out first (its lines may
// still be in a cache), and nothing is given back to the system before the
// pool ends. Destroying the pool while blocks are in use is fine: its memory
// goes with the last of them.
//
//   EBB_ASSIGN_OR_RETURN(auto pool, BlockPool::Create({.max_bytes = bound}));
//   EBB_ASSIGN_OR_RETURN(BlockRef block, pool->Allocate());
//   std::ranges::fill(block.mutable_floats(), 0.0f);
//
// Thread-safe. Calls take a short lock; when the pool grows, the caller waits
// for the system and others go on with free blocks.
class BlockPool {
 public:
  // InvalidArgument: see BlockPoolOptions::Validate(). ResourceExhausted: the
  // system refuses the memory file or the address space.
  static absl::StatusOr<std::unique_ptr<BlockPool>> Create(
      BlockPoolOptions options);
  // Use Create().
  explicit BlockPool(std::shared_ptr<internal::BlockPoolCore> core);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block of unspecified contents, with a content id of its own.
  // ResourceExhausted at the bound, or when the system has no memory left.
  absl::StatusOr<BlockRef> Allocate();
  // All `count` blocks or none: what a push needs before its first write.
  absl::StatusOr<std::vector<BlockRef>> AllocateMany(int64_t count);
  // A new block with the contents of `source` (of any pool with blocks of
  // this size). The caller is its sole holder, so it may write.
  absl::StatusOr<BlockRef> CopyForWrite(const BlockRef& source);

  // Promises `count` blocks to the caller, whether or not they are allocated
  // yet. All promises together are within the bound, so a caller that takes on
  // only what was promised never takes on too much. Allocating does not look at
  // promises. False (PromisedBlocks): the blocks would be beyond the bound.
  PromisedBlocks Promise(int64_t count);

  int64_t block_bytes() const;
  BlockPoolStats Stats() const;

  // The memory file, owned by the pool; -1 when it is not shared. A process
  // that gets it can map all of it, read-only, and finds a block's payload at
  // BlockRef::offset(). Its size never changes: `file_bytes()`.
  int fd() const;
  int64_t file_bytes() const;
  // Returns the file's place in this process; empty when it is not shared.
  std::span<const std::byte> mapping() const;

 private:
  // Shared with itself while blocks outlive the pool: see the .cc.
  const std::shared_ptr<internal::BlockPoolCore> core_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_MEMORY_BLOCK_POOL_H_

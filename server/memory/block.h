// A handle on one reference-counted block of a BlockPool.
#ifndef EBB_SERVER_MEMORY_BLOCK_H_
#define EBB_SERVER_MEMORY_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace ebb::server {

namespace internal {

class BlockPoolCore;

// The pool's record of a block. It stands apart from the payload, which another
// process may map.
struct Block {
  std::byte* data = nullptr;      // Constant.
  BlockPoolCore* pool = nullptr;  // Constant; alive while references > 0.
  int64_t offset = 0;             // Constant.
  uint64_t content_id = 0;        // Written by the sole holder only.
  Block* next_free = nullptr;     // Guarded by the pool's lock.
  // The decrements (release) pair with the load of BlockRef::Unique() and the
  // decrement that finds 1 (acquire): a sole holder sees everything that other
  // holders did with the block.
  std::atomic<uint32_t> references{0};
  uint32_t size = 0;  // Constant.
};

// Gives a block without references back to its pool.
void ReturnBlock(Block* block);
// Moves the block on to an id never used in its pool.
void DrawContentId(Block* block);

}  // namespace internal

// A counted reference to a block; empty when default-constructed or moved
// from. The last reference to go gives the block back to its pool, which
// lives at least as long as its blocks.
//
// A block with several references is immutable by agreement: only a sole holder
// (`Unique()`) writes. So a pull, a cut or a shared-memory reader keeps its
// value by keeping a reference, and the writer swaps in another block instead:
//
//   EBB_ASSIGN_OR_RETURN(BlockRef next, pool->Allocate());
//   optimizer->Step(context, weights.floats(), gradient,
//                   next.mutable_floats(), slots);
//   weights = std::move(next);  // Under the partition's lock.
//
// Thread safety: that of a shared_ptr. Different handles on one block may be
// used by different threads; one handle is not for two threads at once.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other) : block_(other.block_) {
    // Relaxed: `other` keeps the block alive meanwhile.
    if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  BlockRef(BlockRef&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef() { Reset(); }

  // Lets go of the block, if any.
  void Reset() {
    internal::Block* const block = std::exchange(block_, nullptr);
    if (block != nullptr &&
        block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      internal::ReturnBlock(block);
    }
  }

  explicit operator bool() const { return block_ != nullptr; }
  // The same block, not the same contents.
  friend bool operator==(const BlockRef&, const BlockRef&) = default;

  // All below need a non-empty handle.

  // Bytes of payload: the pool's block size.
  size_t size() const { return block_->size; }
  // The payload, aligned to 64 bytes.
  std::span<const std::byte> bytes() const {
    return {block_->data, block_->size};
  }
  std::span<const float> floats() const {
    return {reinterpret_cast<const float*>(block_->data),
            block_->size / sizeof(float)};
  }

  // True when no other handle exists. Then no other thread reads the block, and
  // all that earlier holders did has happened before: it may be written.
  bool Unique() const {
    return block_->references.load(std::memory_order_acquire) == 1;
  }
  // The payload for writing, by a sole holder (checked). Counts as a change.
  // After a time in which another thread may have looked at content_id(), call
  // it again, or call MarkChanged().
  std::span<std::byte> mutable_bytes();
  std::span<float> mutable_floats();

  // Names the contents: never 0, and never given to two contents within a
  // pool, even of two blocks. A store that has these contents under this id
  // need not store them again.
  uint64_t content_id() const { return block_->content_id; }
  // Draws a new id. Only for a sole holder that writes through a span it kept.
  void MarkChanged();

  // Returns where the payload starts in the pool's file (BlockPool::fd()).
  int64_t offset() const { return block_->offset; }

  // A reference as the owner of bytes that leave the server (Payload): one
  // small allocation. To share many blocks at once, make one owner of all of
  // them: std::make_shared<const std::vector<BlockRef>>(...).
  std::shared_ptr<const void> AsOwner() const {
    return std::make_shared<const BlockRef>(*this);
  }

 private:
  friend class internal::BlockPoolCore;
  // Adopts a reference already counted.
  explicit BlockRef(internal::Block* block) : block_(block) {}

  internal::Block* block_ = nullptr;
};

static_assert(sizeof(BlockRef) == 8);

}  // namespace ebb::server

#endif  // EBB_SERVER_MEMORY_BLOCK_H_

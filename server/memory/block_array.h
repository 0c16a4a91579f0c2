// An array in blocks of a pool: memory that the pool's bound counts.
#ifndef EBB_SERVER_MEMORY_BLOCK_ARRAY_H_
#define EBB_SERVER_MEMORY_BLOCK_ARRAY_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "server/memory/block_pool.h"

namespace ebb::server {

// An array of plain values. A block holds a power of two of them. The array is
// the sole holder of its blocks, so elements are written in place.
//
//   EBB_ASSIGN_OR_RETURN(auto counts, BlockArray<uint8_t>::Make(pool, n, 0));
//   ++counts[7];
//
// Thread-compatible. Movable.
template <typename T>
class BlockArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  BlockArray() = default;  // Empty.
  BlockArray(BlockArray&&) noexcept = default;
  BlockArray& operator=(BlockArray&&) noexcept = default;

  // Returns the blocks that so many elements take.
  static int64_t BlocksFor(const BlockPool& pool, size_t size) {
    const size_t chunk = ChunkOf(pool);
    return static_cast<int64_t>((size + chunk - 1) / chunk);
  }
  // At least `size` elements, as many as fill its blocks. ResourceExhausted.
  static absl::StatusOr<BlockArray> Make(BlockPool* pool, size_t size,
                                         const T& value) {
    BlockArray array;
    array.shift_ = std::countr_zero(ChunkOf(*pool));
    EBB_ASSIGN_OR_RETURN(array.blocks_,
                         pool->AllocateMany(BlocksFor(*pool, size)));
    for (BlockRef& block : array.blocks_) {
      array.chunks_.push_back(
          reinterpret_cast<T*>(block.mutable_bytes().data()));
    }
    array.size_ = array.chunks_.size() << array.shift_;
    array.Fill(value);
    return array;
  }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return chunks_[i >> shift_][Within(i)]; }
  const T& operator[](size_t i) const {
    return chunks_[i >> shift_][Within(i)];
  }

  // Calls `visit(begin, count)` for each run of the elements [first, end).
  template <typename Visit>
  void ForEachRun(size_t first, size_t end, Visit visit) const {
    while (first < end) {
      const size_t count = std::min(end - first, ChunkSize() - Within(first));
      visit(&(*this)[first], count);
      first += count;
    }
  }

  int64_t blocks() const { return static_cast<int64_t>(blocks_.size()); }

 private:
  static size_t ChunkOf(const BlockPool& pool) {
    return std::bit_floor(static_cast<size_t>(pool.block_bytes()) / sizeof(T));
  }
  size_t ChunkSize() const { return size_t{1} << shift_; }
  size_t Within(size_t i) const { return i & (ChunkSize() - 1); }
  void Fill(const T& value) {
    size_t left = size_;
    for (T* const chunk : chunks_) {
      const size_t count = std::min(left, ChunkSize());
      std::fill_n(chunk, count, value);
      left -= count;
    }
  }

  std::vector<T*> chunks_;
  int shift_ = 0;
  size_t size_ = 0;
  std::vector<BlockRef> blocks_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_MEMORY_BLOCK_ARRAY_H_

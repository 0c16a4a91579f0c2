// The blocks in which the rows of a table lie.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_BLOCKS_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/memory/block.h"
#include "server/memory/block_pool.h"
#include "server/rows/internal/row_push.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// Views and cuts hold blocks, too. A block is written in place only if this is
// its sole holder; a push brings copies of the others. A block without rows
// does not exist.
//
// Thread-compatible.
class RowBlocks {
 public:
  RowBlocks(const RowLayout& layout, std::shared_ptr<BlockPool> pool)
      : layout_(layout), pool_(std::move(pool)) {}
  RowBlocks(const RowBlocks&) = delete;
  RowBlocks& operator=(const RowBlocks&) = delete;

  const RowLayout& layout() const { return layout_; }
  BlockPool& pool() const { return *pool_; }
  // Places of blocks, with those that do not exist; and blocks that do.
  size_t size() const { return blocks_.size(); }
  int64_t count() const { return count_; }
  bool Exists(size_t block) const { return bool{blocks_[block].ref}; }
  // Bytes of each block; null: it does not exist.
  const std::vector<const std::byte*>& bytes() const { return bytes_; }
  const std::byte* RecordOf(uint32_t row) const {
    const RowLayout::Place place = layout_.PlaceOf(row);
    return bytes_[place.block] + place.offset;
  }
  // Memory of the lists, without the blocks.
  size_t list_bytes() const {
    return blocks_.capacity() * sizeof(Block) +
           bytes_.capacity() * sizeof(bytes_[0]);
  }

  // So many places; no fewer than before.
  void Resize(size_t size);
  // Room so that growing to so many costs no memory.
  void Reserve(size_t size);

  // --- Writing ---------------------------------------------------------------

  // Lists the blocks that the rows of a push need: copies, still without
  // memory, and those that it writes in place.
  void FindCopies(RowPush* push) const;
  // Obtains the copies that a push needs because its blocks are about to be
  // shared. ResourceExhausted.
  absl::Status ObtainLateCopies(RowPush* push) const;
  // Puts a copy in its place.
  void Install(RowPush::BlockCopy* copy);
  // Draws a new content id, once for all writes until it is shared again. The
  // table is the sole holder: FindCopies and ObtainLateCopies saw to that.
  void MakeWritable(uint32_t block) {
    Block& each = blocks_[block];
    if (each.writable == nullptr) {
      each.writable = each.ref.mutable_bytes().data();
    }
  }
  std::byte* MutableRecord(uint32_t row) {
    const RowLayout::Place place = layout_.PlaceOf(row);
    MakeWritable(place.block);
    return blocks_[place.block].writable + place.offset;
  }
  // Counts the rows of the block. One without rows stays until it is dropped.
  void AddRow(uint32_t row) { ++blocks_[layout_.BlockOf(row)].rows; }
  void RemoveRow(uint32_t row) { --blocks_[layout_.BlockOf(row)].rows; }
  void DropIfEmpty(size_t block) {
    if (blocks_[block].rows == 0) Drop(block);
  }

  // --- Sharing ---------------------------------------------------------------

  // Another holder is about to hold all blocks, or one, and to know their
  // content ids.
  std::vector<BlockRef> ShareAll();
  const BlockRef& Share(size_t block) {
    blocks_[block].writable = nullptr;
    return blocks_[block].ref;
  }

  // --- Loading ---------------------------------------------------------------

  bool HasRows(size_t block) const { return blocks_[block].rows > 0; }
  // The block and its rows go.
  void Drop(size_t block);
  // A loaded block for a place that has none.
  void Adopt(size_t block, BlockRef ref);
  // Makes a block, or copies it, so that it can be written. ResourceExhausted.
  absl::Status MakeSole(uint32_t block);

 private:
  struct Block {
    BlockRef ref;  // Empty: has no rows.
    // Set if this table is the sole holder, and its content id is not used.
    std::byte* writable = nullptr;
    uint32_t rows = 0;
  };

  const RowLayout layout_;
  const std::shared_ptr<BlockPool> pool_;
  std::vector<Block> blocks_;
  std::vector<const std::byte*> bytes_;
  int64_t count_ = 0;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_BLOCKS_H_

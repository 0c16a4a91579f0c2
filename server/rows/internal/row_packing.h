// Rows as they were at a cut, packed while pushes go on.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_PACKING_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_PACKING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "server/memory/block.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// The first changed rows in a part: numbers of rows and their records. The
// thread that seals the cut packs them, a few at a time, without the lock of
// the table. A push that changes one of them before that packs it first. So a
// push waits for a few rows, or packs those that it changes, instead of waiting
// for all.
//
// Only methods that say so are thread-safe; the others belong to the table,
// which has a Hold.
class RowPacking {
 public:
  // Packs `rows` that have records: at least one, ascending from the first on,
  // and behind the highest from the lowest on. `block_bytes` is the table's, by
  // block, and is borrowed until Finish was called. Keeps the blocks that
  // `write` writes to.
  RowPacking(const RowLayout& layout, std::vector<uint32_t> rows,
             const std::vector<const std::byte*>* block_bytes,
             std::vector<BlockRef> blocks, BlockWriter write);

  // Packs all that is left. Thread-safe.
  void Finish();
  // All rows are packed: a Hold is no longer needed. Thread-safe.
  bool finished() const { return finished_.load(std::memory_order_acquire); }

  // While a Hold exists no row is packed, and rows, and where they are, may
  // change. The packing may be null.
  class Hold {
   public:
    explicit Hold(RowPacking* packing);

   private:
    std::optional<MutexLock> lock_;
  };
  // Packs the row unless that was done, or it is not one of them.
  void Save(uint32_t row);

 private:
  void Pack(size_t i) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const std::byte* RecordOf(size_t i) const;

  const RowLayout layout_;
  const std::vector<uint32_t> rows_;
  const std::vector<const std::byte*>& block_bytes_;
  const std::vector<BlockRef> blocks_;
  // A thread that waits for `mutex_` holds this, so that the packing thread
  // does not overtake it.
  Mutex turn_;
  Mutex mutex_ ABSL_ACQUIRED_AFTER(turn_);
  BlockWriter write_ ABSL_GUARDED_BY(mutex_);
  // Index into rows_; all before it are packed.
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<bool> saved_ ABSL_GUARDED_BY(mutex_);  // The rows packed by Save.
  std::atomic<bool> finished_ = false;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_PACKING_H_

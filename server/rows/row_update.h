// What one push changes in the rows of a sparse table.
#ifndef EBB_SERVER_ROWS_ROW_UPDATE_H_
#define EBB_SERVER_ROWS_ROW_UPDATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/memory/block.h"

namespace ebb::server {

// Made by RowTable::Prepare, all of its memory obtained; filled by Compute,
// taken over by Commit. Letting it go instead undoes it: nothing of it was to
// be seen.
class RowUpdate {
 public:
  // Keys of the push, those included that get no row.
  int64_t keys() const { return keys_; }
  // That Compute goes through, about.
  int64_t ComputeBytes() const {
    return static_cast<int64_t>(rows_.size() * (2 * record_bytes_)) +
           static_cast<int64_t>(copies_.size() * block_bytes_);
  }

 private:
  friend class RowTable;

  enum class Kind : uint8_t {
    kChanged,
    kCreated,
    kRevived,  // In the place of the same key, which had expired.
  };
  struct Row {
    uint64_t key = 0;
    // As it is now; unless it is kChanged, null.
    const std::byte* record = nullptr;
    uint32_t row = 0;
    uint32_t key_number = 0;  // Which of the push's keys.
    Kind kind = Kind::kChanged;
  };
  // Of a key whose row stays as it is.
  struct Kept {
    const std::byte* record = nullptr;
    uint32_t key_number = 0;
  };
  // A block that somebody else holds, or that there is not yet (null).
  struct BlockCopy {
    uint32_t block = 0;
    const std::byte* from = nullptr;
    BlockRef to;
  };

  // Constant after Prepare.
  int64_t now_ = 0;
  uint32_t unit_ = 0;
  int64_t keys_ = 0;
  size_t record_bytes_ = 0;
  size_t block_bytes_ = 0;
  int64_t capacity_ = 0;  // Of the table, after it.
  int64_t not_admitted_ = 0;
  std::vector<Row> rows_;           // By key; only those that get a row.
  std::vector<Kept> kept_;          // By key; of rows written once.
  std::vector<uint32_t> evicted_;   // Rows.
  std::vector<uint32_t> counters_;  // Of admission, to raise.

  // Blocks that nobody else holds, but were not written to since somebody did.
  std::vector<uint32_t> in_place_;

  // Of Compute: the blocks' contents, and the rows to be, in their order.
  std::vector<BlockCopy> copies_;
  std::unique_ptr<std::byte[]> next_rows_;

  // Of blocks that were pinned since Prepare: for Commit, which copies.
  std::vector<BlockCopy> late_copies_;
};

// Shared, because the table remembers (weakly) which update is under way.
using RowUpdatePtr = std::shared_ptr<RowUpdate>;

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_UPDATE_H_

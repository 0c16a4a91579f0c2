// The changes of one push to the rows of a sparse table.
#ifndef EBB_SERVER_ROWS_ROW_UPDATE_H_
#define EBB_SERVER_ROWS_ROW_UPDATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/memory/block.h"

namespace ebb::server {

// The effect of a push on the rows. RowTable::Prepare makes it, with all of its
// memory; Compute fills it, and Commit takes it over. Releasing it instead
// undoes it: it had no visible effect.
class RowUpdate {
 public:
  // Keys of the push, those included that get no row.
  int64_t keys() const { return keys_; }
  // Returns about how many bytes Compute goes through.
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
  // A key whose row stays as it is.
  struct Kept {
    const std::byte* record = nullptr;
    uint32_t key_number = 0;
  };
  // A block that has another holder, or that does not exist yet (null).
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
  int64_t capacity_ = 0;  // Row numbers of the table after the update.
  int64_t not_admitted_ = 0;
  std::vector<Row> rows_;           // By key; only those that get a row.
  std::vector<Kept> kept_;          // By key; of rows written once.
  std::vector<uint32_t> evicted_;   // Rows.
  std::vector<uint32_t> counters_;  // Counters of admission to raise.

  // Blocks with this sole holder, not written since another holder had them.
  std::vector<uint32_t> in_place_;

  // Results of Compute: the blocks' contents, and the new rows, in their order.
  std::vector<BlockCopy> copies_;
  std::unique_ptr<std::byte[]> next_rows_;

  // Blocks that were pinned since Prepare; Commit copies them.
  std::vector<BlockCopy> late_copies_;
};

// Shared, because the table remembers (weakly) which update is under way.
using RowUpdatePtr = std::shared_ptr<RowUpdate>;

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_UPDATE_H_

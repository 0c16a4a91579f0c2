// The effect of a push on the rows of a table.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_PUSH_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_PUSH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/memory/block.h"
#include "server/rows/row_frequency.h"

namespace ebb::server::internal {

// The content of a RowUpdate, which the parts of the table fill and read.
struct RowPush {
  enum class Kind : uint8_t {
    kChanged,
    kCreated,
    kRevived,  // In the place of the same key, which had expired.
  };
  struct Row {
    uint64_t key = 0;
    // The row as it is now; unless it is kChanged, null.
    const std::byte* record = nullptr;
    uint32_t row = 0;
    uint32_t key_number = 0;  // Which of the push's keys.
    Kind kind = Kind::kChanged;
    // The frequency now, if the table keeps it and the row is kChanged.
    RowFrequency frequency;
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
  int64_t now = 0;
  uint32_t unit = 0;
  int64_t keys = 0;
  int64_t updates = 0;  // Pushes of the table before this one.
  size_t record_bytes = 0;
  size_t block_bytes = 0;
  int64_t capacity = 0;            // Row numbers of the table after the update.
  std::vector<Row> rows;           // By key; only those that get a row.
  std::vector<Kept> kept;          // By key; of rows written once.
  std::vector<uint32_t> evicted;   // Rows.
  std::vector<uint32_t> counters;  // Counters of admission to raise.

  // Blocks with this sole holder, not written since another holder had them.
  std::vector<uint32_t> in_place;

  // Keys without admission; Compute adds the kept rows that differ.
  int64_t not_admitted = 0;
  // Results of Compute: the blocks' contents, and the new rows, in their order.
  std::vector<BlockCopy> copies;
  std::unique_ptr<std::byte[]> next_rows;
  // The sum of the rate factors of `rows`.
  double rate_factors = 0;

  // Blocks that were pinned since Prepare; Commit copies them.
  std::vector<BlockCopy> late_copies;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_PUSH_H_

// The rows of a table as they are now.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_STORE_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/initializer.h"
#include "server/memory/block_pool.h"
#include "server/rows/internal/row_blocks.h"
#include "server/rows/internal/row_frequencies.h"
#include "server/rows/internal/row_numbers.h"
#include "server/rows/internal/row_push.h"
#include "server/rows/internal/row_reader.h"
#include "server/rows/row_ages.h"
#include "server/rows/row_index.h"
#include "server/rows/row_layout.h"
#include "server/rows/row_options.h"
#include "server/rows/row_view.h"

namespace ebb::server::internal {

// Finds rows by key and by number, knows their ages, and has room for them: its
// pool promises the memory of the rows, and half as much again.
//
// Thread-compatible.
class RowStore {
 public:
  // Without rows. `counter_count`: the table has so many counters of admission,
  // for which there is to be room, too.
  RowStore(const RowTableOptions& options, const RowLayout& layout,
           std::shared_ptr<BlockPool> pool, int64_t counter_count);

  const RowLayout& layout() const { return blocks_.layout(); }
  BlockPool& pool() const { return blocks_.pool(); }
  // Rows that are there, with those that have expired.
  int64_t size() const { return static_cast<int64_t>(index_->index.size()); }
  RowReader reader() const {
    return {layout(), index_->index, blocks_.bytes()};
  }
  const RowBlocks& blocks() const { return blocks_; }
  RowBlocks& blocks() { return blocks_; }
  const RowNumbers& numbers() const { return numbers_; }
  RowNumbers& numbers() { return numbers_; }
  const RowAges& ages() const { return ages_; }
  RowAges& ages() { return ages_; }
  const RowFrequencies& frequencies() const { return frequencies_; }
  RowFrequencies& frequencies() { return frequencies_; }
  // Memory besides blocks.
  size_t other_bytes() const;

  // --- Room ------------------------------------------------------------------

  // Promises room for this many more blocks of rows, and rows. Never fails for
  // none. ResourceExhausted.
  absl::Status PromiseRoom(int64_t more_blocks, int64_t more_rows);
  int64_t promised_blocks() const { return room_.count(); }

  // --- Pushes ----------------------------------------------------------------

  // Gives numbers to the rows that a push makes. ResourceExhausted: there are
  // no more.
  absl::Status NumberRows(int64_t created, RowPush* push) const;
  // New blocks for rows without one, and for rows whose blocks have other
  // holders. ResourceExhausted.
  absl::Status ObtainBlocks(int64_t created, RowPush* push);
  // So that committing the push moves no large tables. None of it can be seen.
  void ReserveFor(const RowPush& push, int64_t created);
  // Row numbers below `capacity` exist.
  void GrowTo(int64_t capacity);
  // A row that is made, but for its record and its age.
  void Add(uint32_t row, uint64_t key) {
    MutableIndex().Insert(RowIndex::HashOf(key), row);
    numbers_.Add(row);
    blocks_.AddRow(row);
  }
  // The record stays as it is: what is live, numbers() says.
  void Remove(uint32_t row);

  // The rows as they are now, and as they stay in what is returned.
  std::shared_ptr<const RowView> View(const RowInitializer& initial);

  // --- Loading ---------------------------------------------------------------

  // Room in the index for as many as there are to be; then each row enters it
  // that is live and has its record. False: `*other` has the same key.
  void ReserveIndex(size_t rows) { index_->index.Reserve(rows); }
  bool Enter(uint32_t row, uint32_t* other);

 private:
  // One that no view reads.
  RowIndex& MutableIndex();

  const std::string table_;
  const int64_t counter_blocks_;
  RowBlocks blocks_;
  RowNumbers numbers_;
  std::shared_ptr<SharedIndex> index_;
  RowAges ages_;
  RowFrequencies frequencies_;
  PromisedBlocks room_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_STORE_H_

// The rows of a sparse table at one instant, as they are stored, loaded or
// moved: docs/formats/sparse-rows.md.
#ifndef EBB_SERVER_ROWS_ROW_CUT_H_
#define EBB_SERVER_ROWS_ROW_CUT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/memory/block.h"

namespace ebb::server {

namespace internal {
struct RowCutState;
}  // namespace internal

// One of the blocks of a cut.
struct RowCutBlock {
  // Names the contents within the pool (BlockRef::content_id).
  uint64_t content_id = 0;
  // Bytes of the block that belong to the cut, from its beginning; a multiple
  // of 4.
  int64_t bytes = 0;
  // Empty: the memory has changed since. The newest stored version of the
  // table has the block under the same id.
  BlockRef block;
};

// The result of RowTable::TakeCut. Under the table's lock only references are
// taken. Changed rows are packed, and the checksums computed, later:
//
//   RowCut cut = *table->TakeCut();      // Under the lock.
//   cut.Seal();                          // Long: no lock, any thread.
//   Store(cut.header, cut.blocks);       // The header, then blocks in order.
//   table->Written(cut.token);           // Under the lock.
//
// A stored cut is the header and the blocks in their order: a load gives both
// back, with all blocks in memory.
//
// Thread-compatible. It keeps its blocks from being written in place, so let it
// go once it is stored.
struct RowCut {
  // For RowTable::Written and MergeBack; 0: of a whole cut, which needs
  // neither.
  uint64_t token = 0;
  // All that is not in blocks, with the checksums of these. Empty before
  // Seal().
  std::string header;
  std::vector<RowCutBlock> blocks;

  // Packs what changed, beside pushes, and fills in the header. Reads all
  // blocks that were not stored before.
  void Seal();

  // Sizes of all blocks, and of those that are not stored yet.
  int64_t Bytes() const;
  int64_t NewBytes() const;

  // Seal makes the header of it; null in a loaded cut.
  std::shared_ptr<internal::RowCutState> state;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_CUT_H_

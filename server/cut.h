// A cut: one partition at one instant, as it is checkpointed, loaded or moved.
#ifndef EBB_SERVER_CUT_H_
#define EBB_SERVER_CUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "server/memory/block.h"
#include "server/rows/row_cut.h"

namespace ebb::server {

// Training loss, an additive row per epoch.
struct EpochLoss {
  double loss_sum = 0;
  int64_t examples = 0;
  friend bool operator==(const EpochLoss&, const EpochLoss&) = default;
};

// A run of float32 in blocks; the last block may be used in part.
struct CutArray {
  int64_t floats = 0;
  std::vector<BlockRef> blocks;
  // A block may be empty where the partition's newest stored version has its
  // contents, while the memory that they were in has others by now: it is then
  // named by its contents. By block, 0 where it is at hand; empty: all are.
  std::vector<uint64_t> stored_ids;
  // How many floats of each block but the last belong to the array; 0: all,
  // and all blocks are at hand.
  int64_t block_floats = 0;

  bool at_hand(size_t i) const { return static_cast<bool>(blocks[i]); }
  uint64_t content_id(size_t i) const {
    return at_hand(i) ? blocks[i].content_id() : stored_ids[i];
  }
  // Returns the floats of each block but the last; 0: there are none, or it
  // cannot be known.
  int64_t BlockFloats() const {
    if (block_floats != 0 || blocks.empty() || !at_hand(0)) return block_floats;
    return static_cast<int64_t>(blocks[0].floats().size());
  }
  // How many floats of block `i` belong to the array.
  int64_t UsedCount(size_t i) const {
    return std::min(BlockFloats(),
                    floats - static_cast<int64_t>(i) * BlockFloats());
  }
  // These; the block is at hand.
  std::span<const float> UsedFloats(size_t i) const {
    return blocks[i].floats().first(UsedCount(i));
  }
};

// One of an array's blocks, and how many of its floats belong to the array.
struct CutBlock {
  BlockRef block;
  int64_t floats = 0;
};

// Taken in one step, so all of it belongs together. It holds references to
// immutable blocks: taking one copies no values and delays no push. The byte
// strings are MarkSet::Encode and Ledger::Encode.
struct Cut {
  std::string marks;
  std::string ledger;
  int64_t updates = 0;
  std::vector<uint64_t> oracle;
  std::map<int32_t, EpochLoss> loss;  // By epoch.
  // Rounds that are closed by operations: those applied that are still needed,
  // by round, and the sums of the losses of the open one, by item ordinal.
  std::map<int64_t, std::string> operations;
  std::map<int64_t, double> item_losses;
  // By name: "weights"; "slot:K"; in rounds also "sum", "item:EPOCH:SHARD"
  // (an item's sum not yet folded) and "value:ROUND" (a value kept for
  // pulls of that round); and of sparse tables what row_arrays.h names.
  std::map<std::string, CutArray> arrays;
  // Sparse tables: what is said of their rows (row_arrays.h), and of which
  // tables it is still to be worked out.
  std::string rows;
  std::vector<RowCut> row_cuts;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_CUT_H_

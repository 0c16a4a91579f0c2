// A cut: one partition at one instant, as it is checkpointed, loaded or moved.
#ifndef EBB_SERVER_CUT_H_
#define EBB_SERVER_CUT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/memory/block.h"

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
};

// One of an array's blocks, and how many of its floats belong to the array.
struct CutBlock {
  BlockRef block;
  int64_t floats = 0;
};

// Taken in one step, so all of it belongs together. It holds references to
// immutable blocks: taking one copies no values and stalls nobody. The byte
// strings are MarkSet::Encode and Ledger::Encode.
struct Cut {
  std::string marks;
  std::string ledger;
  int64_t updates = 0;
  std::vector<uint64_t> oracle;
  std::map<int32_t, EpochLoss> loss;  // By epoch.
  // By name: "weights"; "slot:K"; in rounds also "sum", "item:EPOCH:SHARD"
  // (an item's sum not yet folded) and "value:ROUND" (a value kept for
  // pulls of that round).
  std::map<std::string, CutArray> arrays;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_CUT_H_

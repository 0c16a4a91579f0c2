// What every CheckpointStore does with the blocks of a cut.
#ifndef EBB_SERVER_STORE_INTERNAL_CUT_BLOCKS_H_
#define EBB_SERVER_STORE_INTERNAL_CUT_BLOCKS_H_

#include <cstddef>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "common/protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block.h"

namespace ebb::server {

// InvalidArgument unless the blocks of each array have its floats: all full
// but the last, none of them empty.
absl::Status CheckCut(const Cut& cut);

// The floats of block `i` of a checked array that belong to it.
std::span<const float> UsedFloats(const CutArray& array, size_t i);

// Copies stored floats (raw bytes) into a new block; the rest becomes 0.
// FailedPrecondition when the block is too small.
absl::Status FillBlock(std::span<const std::byte> floats, BlockRef* block);

// A cut without its arrays.
Cut WithoutArrays(const Cut& cut);

// "job 1 generation 2 partition 3 version (4, 5)".
std::string VersionName(const VersionKey& key);
absl::Status AlreadyStored(const VersionKey& key);
absl::Status NotStored(const VersionKey& key);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_CUT_BLOCKS_H_

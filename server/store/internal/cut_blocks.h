// Work that every CheckpointStore does with the blocks of a cut.
#ifndef EBB_SERVER_STORE_INTERNAL_CUT_BLOCKS_H_
#define EBB_SERVER_STORE_INTERNAL_CUT_BLOCKS_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block.h"

namespace ebb::server {

// InvalidArgument unless the blocks of each array have its floats: all full
// but the last, each of them at hand or named.
absl::Status CheckCut(const Cut& cut);

// Aborted: a block that is not at hand is not stored either. The partition's
// next cut must have all of its blocks at hand.
absl::Status NotAtHand(const VersionKey& key, absl::string_view array);

// Copies stored floats (raw bytes) into a new block; the rest becomes 0.
// FailedPrecondition when the block is too small.
absl::Status FillBlock(std::span<const std::byte> floats, BlockRef* block);

// The keys of a map of arrays.
template <typename Arrays>
std::vector<std::string> NamesOf(const Arrays& arrays) {
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  return names;
}

// Which rounds' values a cut has, from its marks and the names of its arrays.
// nullopt: the marks are none of the plan.
std::optional<RoundSpan> RoundsOf(const JobPlan& plan, absl::string_view marks,
                                  std::span<const std::string> arrays);

// A cut without its arrays.
Cut WithoutArrays(const Cut& cut);

// "job 1 generation 2 partition 3 version (4, 5)".
std::string VersionName(const VersionKey& key);
absl::Status AlreadyStored(const VersionKey& key);
absl::Status NotStored(const VersionKey& key);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_CUT_BLOCKS_H_

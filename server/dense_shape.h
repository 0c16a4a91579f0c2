// How the dense values of a partition lie in blocks of the server's memory.
#ifndef EBB_SERVER_DENSE_SHAPE_H_
#define EBB_SERVER_DENSE_SHAPE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"

namespace ebb::server {

// An array as long as a partition's dense values: weights, a slot, or a sum of
// gradients.
using Blocks = std::vector<BlockRef>;

// The shape that all such arrays of a partition have. Immutable.
class DenseShape {
 public:
  DenseShape(const JobPlan& plan, PartitionId id,
             std::shared_ptr<BlockPool> pool);
  // The shape of a run of another vector.
  DenseShape(int64_t block_floats, const FloatRange& run,
             std::shared_ptr<BlockPool> pool);

  int64_t floats() const { return floats_; }
  int64_t bytes() const { return floats_ * int64_t{sizeof(float)}; }
  int64_t blocks() const { return blocks_; }
  bool IsShapeOf(const CutArray& array) const {
    return array.floats == floats_ &&
           static_cast<int64_t>(array.blocks.size()) == blocks_;
  }

  // The place of the block's first float in the vector.
  int64_t First(int64_t block) const { return first_ + block * block_floats_; }
  // The floats of a block that belong to the array. For Mutable, see
  // BlockRef::mutable_floats.
  std::span<const float> Floats(const Blocks& array, int64_t block) const {
    return array[block].floats().first(Used(block));
  }
  std::span<float> Mutable(Blocks* array, int64_t block) const {
    return (*array)[block].mutable_floats().first(Used(block));
  }

  // All of these: ResourceExhausted if the pool has no room.
  // Returns an array of unspecified values.
  absl::StatusOr<Blocks> Allocate() const;
  absl::StatusOr<Blocks> Zeros() const;
  // Returns the array with new blocks, of unspecified values, in the place of
  // some.
  absl::StatusOr<Blocks> Renew(const Blocks& array,
                               const std::vector<int64_t>& blocks) const;
  // Makes the array the only holder of each of its blocks.
  absl::Status MakeUnique(Blocks* array) const;

  // Returns the array's values, with references to its blocks.
  Payload PayloadOf(const Blocks& array) const;
  CutArray CutOf(const Blocks& array) const { return {floats_, array, {}, 0}; }

 private:
  size_t Used(int64_t block) const;

  const std::shared_ptr<BlockPool> pool_;
  const int64_t first_;  // In the vector.
  const int64_t floats_;
  const int64_t block_floats_;
  const int64_t blocks_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_DENSE_SHAPE_H_

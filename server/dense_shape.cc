#include "server/dense_shape.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"

namespace ebb::server {

DenseShape::DenseShape(const JobPlan& plan, PartitionId id,
                       std::shared_ptr<BlockPool> pool)
    : DenseShape(plan.block_floats, PushedRun(plan, nullptr, id),
                 std::move(pool)) {}

DenseShape::DenseShape(int64_t block_floats, const FloatRange& run,
                       std::shared_ptr<BlockPool> pool)
    : pool_(std::move(pool)),
      first_(run.first),
      floats_(run.size()),
      block_floats_(block_floats),
      blocks_((floats_ + block_floats_ - 1) / block_floats_) {}

size_t DenseShape::Used(int64_t block) const {
  return std::min(block_floats_, floats_ - block * block_floats_);
}

absl::StatusOr<Blocks> DenseShape::Allocate() const {
  return pool_->AllocateMany(blocks_);
}

absl::StatusOr<Blocks> DenseShape::Zeros() const {
  EBB_ASSIGN_OR_RETURN(Blocks array, Allocate());
  for (BlockRef& block : array) {
    std::ranges::fill(block.mutable_floats(), 0.0f);
  }
  return array;
}

absl::StatusOr<Blocks> DenseShape::Renew(
    const Blocks& array, const std::vector<int64_t>& blocks) const {
  EBB_ASSIGN_OR_RETURN(
      Blocks fresh, pool_->AllocateMany(static_cast<int64_t>(blocks.size())));
  Blocks renewed = array;
  for (size_t i = 0; i < blocks.size(); ++i) {
    renewed[blocks[i]] = std::move(fresh[i]);
  }
  return renewed;
}

absl::Status DenseShape::MakeUnique(Blocks* array) const {
  for (BlockRef& block : *array) {
    if (block.Unique()) continue;
    EBB_ASSIGN_OR_RETURN(block, pool_->CopyForWrite(block));
  }
  return absl::OkStatus();
}

Payload DenseShape::PayloadOf(const Blocks& array) const {
  Payload payload;
  const auto owner = std::make_shared<const Blocks>(array);
  for (int64_t b = 0; b < blocks_; ++b) {
    payload.Append(owner, std::as_bytes(Floats(*owner, b)));
  }
  return payload;
}

}  // namespace ebb::server

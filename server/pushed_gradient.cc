#include "server/pushed_gradient.h"

#include <span>
#include <utility>
#include <vector>

#include "common/status_macros.h"

namespace ebb::server {

absl::StatusOr<PushedGradient> PushedGradient::Of(const PushSegment& segment,
                                                  const DenseShape& shape) {
  PushedGradient gradient;
  gradient.floats_ = segment.gradient;
  gradient.encoding_ = segment.encoding;
  if (!gradient.empty() && gradient.encoding_ != Encoding::kFloat32) {
    EBB_ASSIGN_OR_RETURN(gradient.decoded_, shape.Allocate());
  }
  return gradient;
}

PushedGradient PushedGradient::OfBlocks(const Blocks& values,
                                        const DenseShape& shape) {
  PushedGradient gradient;
  gradient.floats_ = shape.PayloadOf(values);
  return gradient;
}

// Into the blocks that it obtained, one after the other.
void PushedGradient::Decode(const DenseShape& shape) {
  if (decoded_.empty() || encoding_ == Encoding::kFloat32) return;
  std::vector<std::span<float>> blocks(decoded_.size());
  for (int64_t b = 0; b < shape.blocks(); ++b) {
    blocks[b] = shape.Mutable(&decoded_, b);
  }
  ebb::Decode(encoding_, floats_, blocks);
  floats_ = shape.PayloadOf(decoded_);
  encoding_ = Encoding::kFloat32;
}

}  // namespace ebb::server

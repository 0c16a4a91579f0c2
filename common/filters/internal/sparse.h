// The sparse encoding: blocks of 4096 values, each a count, that many indices
// within the block, rising, and as many float32 values.
#ifndef EBB_COMMON_FILTERS_INTERNAL_SPARSE_H_
#define EBB_COMMON_FILTERS_INTERNAL_SPARSE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "common/filters/encoding.h"
#include "common/payload.h"

namespace ebb::internal {

// Appends one block, of at most kSparseBlock values, to `out`: those that are
// not 0.
void EncodeSparseBlock(std::span<const float> values,
                       std::vector<std::byte>* out);

// Reads a payload block by block.
class SparseReader {
 public:
  // The payload outlives the reader.
  explicit SparseReader(const Payload& bytes) : bytes_(bytes) {}

  // The next block, of `values.size()` values. InvalidArgument: it is none;
  // then nothing more can be read.
  absl::Status Next(std::span<float> values);
  // All is read.
  bool done() const { return slice_ == bytes_.slices().size(); }

 private:
  // False: there are fewer.
  bool Read(void* to, size_t n);

  const Payload& bytes_;
  size_t slice_ = 0;
  size_t offset_ = 0;
  uint16_t indices_[kSparseBlock];
  float there_[kSparseBlock];
};

}  // namespace ebb::internal

#endif  // EBB_COMMON_FILTERS_INTERNAL_SPARSE_H_

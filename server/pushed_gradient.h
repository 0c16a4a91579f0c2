// The dense gradient that a push brings to a partition.
#ifndef EBB_SERVER_PUSHED_GRADIENT_H_
#define EBB_SERVER_PUSHED_GRADIENT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/filters/codec.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "server/dense_shape.h"

namespace ebb::server {

// Thread-compatible.
class PushedGradient {
 public:
  // Empty: the push changes no dense value.
  PushedGradient() = default;
  // Obtains the memory that decoding takes. The segment's bytes must be what
  // CheckEncoded accepts for the shape. ResourceExhausted: the pool has no
  // room.
  static absl::StatusOr<PushedGradient> Of(const PushSegment& segment,
                                           const DenseShape& shape);

  // Takes values of the shape that lie here.
  static PushedGradient OfBlocks(const Blocks& values, const DenseShape& shape);

  bool empty() const { return floats_.empty(); }
  // How often Decode goes through the values.
  int64_t DecodePasses() const { return decoded_.empty() ? 0 : 1; }

  // Long where the gradient came encoded. Repeating it does nothing.
  void Decode(const DenseShape& shape);
  // Float32; after Decode.
  const Payload& floats() const { return floats_; }

 private:
  Payload floats_;  // Until Decode: in the encoding.
  Encoding encoding_ = Encoding::kFloat32;
  Blocks decoded_;  // Empty: it came as float32.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PUSHED_GRADIENT_H_

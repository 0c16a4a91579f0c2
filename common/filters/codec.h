// Between float32 values and their encodings. Pure: bytes in, bytes out.
//
//   Payload sent = Encode(Encoding::kInt8, gradient, {.seed = seed});
//   ...
//   EBB_RETURN_IF_ERROR(CheckEncoded(Encoding::kInt8, received,
//   floats.size())); Decode(Encoding::kInt8, received, floats);
#ifndef EBB_COMMON_FILTERS_CODEC_H_
#define EBB_COMMON_FILTERS_CODEC_H_

#include <span>

#include "common/filters/encoding.h"
#include "common/filters/noise.h"
#include "common/payload.h"

namespace ebb {

// `values` are float32, in any slices. Values that are not finite stay so in 16
// bits; in 8 bits one makes NaN of its whole block.
Payload Encode(Encoding encoding, const Payload& values, const Noise& noise);

// `bytes` are what CheckEncoded accepts for as many values as `out` has: in
// one part, or in several, one after the other.
void Decode(Encoding encoding, const Payload& bytes, std::span<float> out);
void Decode(Encoding encoding, const Payload& bytes,
            std::span<const std::span<float>> parts);

}  // namespace ebb

#endif  // EBB_COMMON_FILTERS_CODEC_H_

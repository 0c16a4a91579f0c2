// The forms in which values travel: unchanged float32, or smaller. A sender
// encodes once; the receiver decodes before it computes
// (docs/decisions/0011-filters.md, docs/formats/encodings.md).
#ifndef EBB_COMMON_FILTERS_ENCODING_H_
#define EBB_COMMON_FILTERS_ENCODING_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/payload.h"

namespace ebb {

// The numbers are those of ebb.v1.Encoding.
enum class Encoding : uint8_t {
  kFloat32 = 0,
  kBfloat16 = 1,  // The upper half of a float32, rounded to nearest.
  kFloat16 = 2,   // IEEE binary16; finite values beyond it become its largest.
  kInt8 = 3,      // Whole multiples of a scale per block.
  kSparse = 4,    // Some values as they are; all others are 0.
};
inline constexpr Encoding kLastEncoding = Encoding::kSparse;
absl::string_view EncodingName(Encoding encoding);

// Values that share a scale.
inline constexpr int64_t kInt8Block = 256;

// Values that share a count of those which are there.
inline constexpr int64_t kSparseBlock = 4096;

// Bytes that `floats` values take; kSparse: at most.
int64_t EncodedBytes(Encoding encoding, int64_t floats);

// InvalidArgument: `bytes` do not encode `floats` values. Otherwise they can be
// decoded.
absl::Status CheckEncoded(Encoding encoding, const Payload& bytes,
                          int64_t floats);

}  // namespace ebb

#endif  // EBB_COMMON_FILTERS_ENCODING_H_

// The loops of the codecs, compiled once per instruction set and chosen at run
// time. Bytes may lie at any address; floats at theirs.
#ifndef EBB_COMMON_FILTERS_INTERNAL_KERNELS_H_
#define EBB_COMMON_FILTERS_INTERNAL_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "common/filters/noise.h"

namespace ebb::internal {

// `count` values each.
void ToBfloat16(const std::byte* floats, size_t count, std::byte* out);
void FromBfloat16(const std::byte* halves, size_t count, float* out);
void ToFloat16(const std::byte* floats, size_t count, std::byte* out);
void FromFloat16(const std::byte* halves, size_t count, float* out);

// One block: its scale and then `count` whole numbers. The noise is that of
// the indices from `index` on.
void ToInt8(const std::byte* floats, size_t count, const Noise& noise,
            uint32_t index, std::byte* out);
void FromInt8(const std::byte* block, size_t count, float* out);

}  // namespace ebb::internal

#endif  // EBB_COMMON_FILTERS_INTERNAL_KERNELS_H_

// The effect of a push on a row of a sparse table, and the row's elements.
#ifndef EBB_COMMON_ROW_KIND_H_
#define EBB_COMMON_ROW_KIND_H_

#include <cstdint>

namespace ebb {

enum class RowKind : uint8_t {
  kTrained,    // float32, which an optimizer steps by their gradients.
  kAdditive,   // float32, to which pushes add.
  kCounts,     // int64, to which pushes add, modulo 2^64.
  kWriteOnce,  // Bytes: those of the key's first push stay.
};

}  // namespace ebb

#endif  // EBB_COMMON_ROW_KIND_H_

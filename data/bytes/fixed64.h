// 64-bit little-endian numbers, as in the data index.
#ifndef EBB_DATA_BYTES_FIXED64_H_
#define EBB_DATA_BYTES_FIXED64_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace ebb::data::internal {

inline void PutFixed64(uint64_t value, std::string* out) {
  for (int i = 0; i < 8; ++i) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

// Take the front of `*rest`; false, and nothing taken, where it is too short.
[[nodiscard]] inline bool TakeBytes(absl::string_view* rest, uint64_t n,
                                    absl::string_view* bytes) {
  if (rest->size() < n) return false;
  *bytes = rest->substr(0, n);
  rest->remove_prefix(n);
  return true;
}

[[nodiscard]] inline bool TakeFixed64(absl::string_view* rest,
                                      uint64_t* value) {
  absl::string_view bytes;
  if (!TakeBytes(rest, 8, &bytes)) return false;
  *value = 0;
  for (int i = 0; i < 8; ++i) {
    *value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return true;
}

}  // namespace ebb::data::internal

#endif  // EBB_DATA_BYTES_FIXED64_H_

// Little-endian varints and fixed integers for the small binary forms of marks
// and ledgers (docs/formats/). Readers never trust their input: every Get
// fails at the end of the bytes.
#ifndef EBB_PROTOCOL_CODEC_H_
#define EBB_PROTOCOL_CODEC_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

namespace ebb {

inline void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

inline void PutFixed64(uint64_t value, std::string* out) {
  for (int i = 0; i < 8; ++i) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

inline void PutFixed32(uint32_t value, std::string* out) {
  for (int i = 0; i < 4; ++i) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool GetVarint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) return false;
      *value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }

  // A varint that must not exceed `limit`.
  [[nodiscard]] bool GetBounded(uint64_t limit, int64_t* value) {
    uint64_t raw = 0;
    if (!GetVarint(&raw) || raw > limit) return false;
    *value = static_cast<int64_t>(raw);
    return true;
  }

  [[nodiscard]] bool GetFixed64(uint64_t* value) {
    if (rest_.size() < 8) return false;
    *value = 0;
    for (int i = 0; i < 8; ++i) {
      *value |= uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    }
    rest_.remove_prefix(8);
    return true;
  }

  [[nodiscard]] bool GetFixed32(uint32_t* value) {
    if (rest_.size() < 4) return false;
    *value = 0;
    for (int i = 0; i < 4; ++i) {
      *value |= uint32_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    }
    rest_.remove_prefix(4);
    return true;
  }

  [[nodiscard]] bool GetBytes(size_t n, absl::string_view* bytes) {
    if (rest_.size() < n) return false;
    *bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return true;
  }

  bool done() const { return rest_.empty(); }
  // Bytes not read yet.
  size_t remaining() const { return rest_.size(); }

 private:
  absl::string_view rest_;
};

}  // namespace ebb

#endif  // EBB_PROTOCOL_CODEC_H_

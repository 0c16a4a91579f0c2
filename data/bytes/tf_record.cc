#include "data/bytes/tf_record.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstring>

namespace ebb::data::internal {

uint32_t MaskedCrc(absl::string_view bytes) {
  // The library counts in int.
  constexpr size_t kMost = size_t{1} << 30;
  uint32_t crc = ~uint32_t{0};
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kMost);
    // It only reads.
    auto* const data =
        reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    crc = crc32_iscsi(data, static_cast<int>(n), crc);
    bytes.remove_prefix(n);
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

bool IsTfRecord(absl::string_view front) {
  if (front.size() < kTfRecordFront) return false;
  uint32_t checksum;
  std::memcpy(&checksum, front.data() + 8, sizeof(checksum));
  return MaskedCrc(front.substr(0, 8)) == checksum;
}

}  // namespace ebb::data::internal

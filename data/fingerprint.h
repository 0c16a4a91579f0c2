// Identifies the content of a file when it was read: enough to tell that it has
// changed.
#ifndef EBB_DATA_FINGERPRINT_H_
#define EBB_DATA_FINGERPRINT_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"

namespace ebb::data {

// It is that of the decompressed bytes, so `a.csv` and `a.csv.gz` have the same
// one.
struct FileFingerprint {
  int64_t bytes = 0;
  // XXH3 (128 bits), as `xxhsum -H2` prints it.
  uint64_t hash_high = 0;
  uint64_t hash_low = 0;

  friend bool operator==(const FileFingerprint&,
                         const FileFingerprint&) = default;
};

inline std::string ToString(const FileFingerprint& fingerprint) {
  return absl::StrFormat("%d bytes, hash %016x%016x", fingerprint.bytes,
                         fingerprint.hash_high, fingerprint.hash_low);
}

}  // namespace ebb::data

#endif  // EBB_DATA_FINGERPRINT_H_

// The frames of TFRecord files: a record is its length (8 bytes), the checksum
// of the length, the bytes, and the checksum of the bytes.
#ifndef EBB_DATA_BYTES_TF_RECORD_H_
#define EBB_DATA_BYTES_TF_RECORD_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// The length of a record and its checksum.
inline constexpr size_t kTfRecordFront = 12;

// The checksum that TFRecord files have: CRC-32C, rotated and with a constant
// added.
uint32_t MaskedCrc(absl::string_view bytes);

// True if a file with this front is a TFRecord file: the checksum of the first
// length is right.
bool IsTfRecord(absl::string_view front);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_BYTES_TF_RECORD_H_

// The outer form of every record that ebb keeps on a disk
// (docs/formats/sealed.md): what it is, which version of that form, how long,
// and a checksum over all of it.
//
//   std::string stored = Seal("EBBM", 1, body);
//   EBB_ASSIGN_OR_RETURN(absl::string_view body,
//                        Unseal("EBBM", 1, "checkpoint manifest", stored));
#ifndef EBB_PROTOCOL_SEALED_H_
#define EBB_PROTOCOL_SEALED_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// Bytes before and after the body.
inline constexpr size_t kSealHeadBytes = 16;
inline constexpr size_t kSealTailBytes = 8;

// `magic` has four characters.
std::string Seal(absl::string_view magic, uint32_t version,
                 absl::string_view body);

// The same in parts, for a large body that should not be copied: the record is
// SealHead, the body, and the checksum in little-endian order.
std::string SealHead(absl::string_view magic, uint32_t version,
                     size_t body_bytes);
uint64_t SealChecksum(absl::string_view head, absl::string_view body);

// How long the body after this head says it is; 0 for a short head.
uint64_t SealedBodyBytes(absl::string_view head);

// The body within `bytes`. DataLoss, beginning with `what`, unless every byte
// is as it was sealed; a version above `newest_version` is
// FailedPrecondition: a newer ebb wrote it. `version`, unless null, gets the
// one it was sealed with.
absl::StatusOr<absl::string_view> Unseal(absl::string_view magic,
                                         uint32_t newest_version,
                                         absl::string_view what,
                                         absl::string_view bytes,
                                         uint32_t* version = nullptr);

}  // namespace ebb

#endif  // EBB_PROTOCOL_SEALED_H_

// The hash by which content is told from any other.
#ifndef EBB_COMMON_TLS_SHA256_H_
#define EBB_COMMON_TLS_SHA256_H_

#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace ebb {

// Returns the 32 bytes of the SHA-256 of `bytes`.
std::string Sha256(absl::string_view bytes);
// The same of the parts one after the other.
std::string Sha256OfParts(std::span<const absl::string_view> parts);
// Returns the 32 bytes of the HMAC of `text` by SHA-256.
std::string HmacSha256(absl::string_view key, absl::string_view text);

}  // namespace ebb

#endif  // EBB_COMMON_TLS_SHA256_H_

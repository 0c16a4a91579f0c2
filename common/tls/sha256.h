// The hash by which content is told from any other.
#ifndef EBB_COMMON_TLS_SHA256_H_
#define EBB_COMMON_TLS_SHA256_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb {

// Returns the 32 bytes of the SHA-256 of `bytes`.
std::string Sha256(absl::string_view bytes);

}  // namespace ebb

#endif  // EBB_COMMON_TLS_SHA256_H_

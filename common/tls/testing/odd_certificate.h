// Certificates that others make, and `ebb certs` does not.
#ifndef EBB_COMMON_TLS_TESTING_ODD_CERTIFICATE_H_
#define EBB_COMMON_TLS_TESTING_ODD_CERTIFICATE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/tls/issue.h"

namespace ebb {

// How one is not as Issue makes it.
struct Oddities {
  // The only alternative name, byte for byte.
  std::optional<std::string> uri;
  // The value for OpenSSL's configuration; empty: the extension is left out.
  std::optional<std::string> extended_key_usage;
  std::optional<absl::Time> not_after;
};

// Returns `of` with its oddities, signed again by its signer; an authority is
// signed by itself.
absl::StatusOr<Identity> SignAnew(const Identity& signer, const Identity& of,
                                  const Oddities& oddities);

}  // namespace ebb

#endif  // EBB_COMMON_TLS_TESTING_ODD_CERTIFICATE_H_

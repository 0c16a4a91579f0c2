// Reads certificates, and checks whether those of a process can be used at all:
// gRPC would only report that a connection cannot be made.
#ifndef EBB_COMMON_TLS_CERTIFICATE_H_
#define EBB_COMMON_TLS_CERTIFICATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/tls/role.h"
#include "common/tls/tls_settings.h"

namespace ebb {

struct Certificate {
  std::string name;  // The common name, printable; may be empty.
  // PermissionDenied: it has none (RoleOfUris).
  absl::StatusOr<Role> role;
  absl::Time not_before;
  absl::Time not_after;
};

// The first in `pem`. InvalidArgument: there is none that can be read.
absl::StatusOr<Certificate> ReadCertificate(absl::string_view pem);

// Checks that the files are there, can be read whole, and belong together. The
// key is the certificate's. The authority signed the certificate, which is
// valid `now`, has one of the roles, and may be used for what its role does.
// Returns the certificate, with the times between which all certificates are
// valid that lead from it to the authority. InvalidArgument: a check failed;
// the message names the file and what to do, and contains no part of a key.
absl::StatusOr<Certificate> CheckIdentity(const TlsFiles& files, RoleSet roles,
                                          absl::Time now);

}  // namespace ebb

#endif  // EBB_COMMON_TLS_CERTIFICATE_H_

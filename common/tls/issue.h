// Makes certificates: for tests, for trying TLS at once, and for clusters of
// one's own that have no other authority.
//
//   EBB_ASSIGN_OR_RETURN(const Identity authority, MakeAuthority({}));
//   EBB_ASSIGN_OR_RETURN(const Identity worker,
//                        Issue(authority, {.role = Role::kWorker}));
//   EBB_RETURN_IF_ERROR(WriteIdentity(folder + "/worker", worker));
#ifndef EBB_COMMON_TLS_ISSUE_H_
#define EBB_COMMON_TLS_ISSUE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/tls/role.h"
#include "common/tls/tls_settings.h"

namespace ebb {

// Both in PEM.
struct Identity {
  std::string certificate;
  std::string key;  // A secret.
};

inline constexpr absl::Duration kCertificateValid = absl::Hours(24 * 365);
// At least: with an authority, all that it signed ends.
inline constexpr absl::Duration kAuthorityValid = absl::Hours(24 * 3650);

struct CertificateRequest {
  Role role = Role::kViewer;
  // The common name: 1 to 64 letters, digits and ".-_"; empty: the role's.
  std::string name;
  // DNS names and IP addresses by which servers may be called by those who
  // compare them (ebb does not).
  std::vector<std::string> hosts;
  // Until when from `now` on; clocks may be behind by an hour.
  absl::Duration valid = kCertificateValid;
  absl::Time now = absl::Now();
};

// Makes a new authority from the request's name, validity and present time; it
// is valid for kAuthorityValid at least.
absl::StatusOr<Identity> MakeAuthority(const CertificateRequest& request);

// Makes a new key (P-256) and its certificate. InvalidArgument: the name or
// hosts are malformed; or `authority` is not an authority, or ends before the
// certificate would.
absl::StatusOr<Identity> Issue(const Identity& authority,
                               const CertificateRequest& request);

// `path`.pem and `path`.key (which only the owner may read). AlreadyExists:
// one of them is there. After any error, nothing is that was not.
absl::Status WriteIdentity(const std::string& path, const Identity& identity);

// The files of `ebb certs` and WriteAllRoles: ca.pem, NAME.pem, NAME.key.
TlsFiles FilesIn(const std::string& folder, const std::string& name);
// A new authority in `folder`, which exists, and a certificate for each role,
// named as it. Errors: as of WriteIdentity.
absl::Status WriteAllRoles(const std::string& folder,
                           const CertificateRequest& like);

}  // namespace ebb

#endif  // EBB_COMMON_TLS_ISSUE_H_

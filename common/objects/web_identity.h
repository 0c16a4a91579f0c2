// Keys for an identity token, which Kubernetes writes into a file of each pod.
#ifndef EBB_COMMON_OBJECTS_WEB_IDENTITY_H_
#define EBB_COMMON_OBJECTS_WEB_IDENTITY_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/objects/credentials.h"

namespace ebb {

// Says where the token is, and which service gives keys for it.
struct WebIdentity {
  std::string token_file;
  std::string role;          // "arn:aws:iam::123456789012:role/trainer"
  std::string session_name;  // This process's name in the service's logs.
  std::string endpoint;      // "https://sts.eu-central-1.amazonaws.com"
  std::string ca_file;       // Empty: the certificates of the machine.
};

// By the names that the AWS tools know: AWS_WEB_IDENTITY_TOKEN_FILE,
// AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME, AWS_ENDPOINT_URL_STS (or
// AWS_ENDPOINT_URL, or that of AWS_REGION), AWS_CA_BUNDLE. nullopt: the first
// is not set. InvalidArgument: the role is missing, or the endpoint does not
// begin with http:// or https://.
absl::StatusOr<std::optional<WebIdentity>> WebIdentityOf(
    const Environment& environment);

// Asks the service (AssumeRoleWithWebIdentity of AWS's security token service)
// once. It reads the token anew, because Kubernetes renews it. PermissionDenied
// names what the service refused; Unavailable: it did not answer. No message
// contains the token or a key.
absl::StatusOr<TemporaryCredentials> AssumeRole(const WebIdentity& identity);

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_WEB_IDENTITY_H_

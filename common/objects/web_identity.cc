#include "common/objects/web_identity.h"

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/objects/internal/files.h"
#include "common/objects/internal/http_client.h"
#include "common/objects/internal/s3_xml.h"
#include "common/objects/internal/sigv4.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

constexpr uint64_t kMostTokenBytes = 64 << 10;

// The service may answer otherwise the next time.
bool MayPass(int status, const S3Error& error) {
  return StatusMayPass(status) || error.code == "Throttling" ||
         error.code == "ThrottlingException" ||
         error.code == "IDPCommunicationError";
}

}  // namespace

absl::StatusOr<std::optional<WebIdentity>> WebIdentityOf(
    const Environment& environment) {
  WebIdentity identity;
  identity.token_file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  identity.role = environment("AWS_ROLE_ARN");
  if (identity.token_file.empty()) return std::nullopt;
  if (identity.role.empty()) {
    return absl::InvalidArgumentError(
        "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not; it names "
        "the role to take");
  }
  identity.session_name = environment("AWS_ROLE_SESSION_NAME");
  if (identity.session_name.empty()) identity.session_name = "ebb";
  identity.endpoint =
      EnvironmentOr(environment, "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL");
  if (identity.endpoint.empty()) {
    const std::string region =
        EnvironmentOr(environment, "AWS_REGION", "AWS_DEFAULT_REGION");
    identity.endpoint =
        absl::StrCat("https://sts.", region.empty() ? "us-east-1" : region,
                     ".amazonaws.com");
  }
  while (absl::EndsWith(identity.endpoint, "/")) identity.endpoint.pop_back();
  if (!absl::StartsWith(identity.endpoint, "http://") &&
      !absl::StartsWith(identity.endpoint, "https://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("AWS_ENDPOINT_URL_STS=", identity.endpoint,
                     " must be http://HOST:PORT or https://HOST:PORT"));
  }
  identity.ca_file = environment("AWS_CA_BUNDLE");
  return identity;
}

absl::StatusOr<TemporaryCredentials> AssumeRole(const WebIdentity& identity) {
  EBB_ASSIGN_OR_RETURN(const std::string token,
                       ReadSmallFile(identity.token_file, kMostTokenBytes));
  const std::map<std::string, std::string> form = {
      {"Action", "AssumeRoleWithWebIdentity"},
      {"Version", "2011-06-15"},
      {"RoleArn", identity.role},
      {"RoleSessionName", identity.session_name},
      {"WebIdentityToken", std::string(absl::StripAsciiWhitespace(token))}};
  const std::string body = EncodeQuery(form);
  const absl::string_view parts[] = {body};
  HttpRequest request;
  request.method = "POST";
  request.url = absl::StrCat(identity.endpoint, "/");
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = parts;
  HttpClient client(HttpTimeouts{}, identity.ca_file);
  const auto response = client.Send(request);
  if (!response.ok()) {
    return absl::Status(response.status().code(),
                        absl::StrCat("the token service ", identity.endpoint,
                                     ": ", response.status().message()));
  }
  if (response->status != 200) {
    const S3Error error = ParseS3Error(response->body);
    const std::string said = absl::StrCat(
        "the token service ", identity.endpoint, " gives no keys for the role ",
        identity.role, ": status ", response->status,
        error.code.empty() ? "" : absl::StrCat(", ", error.code, ": "),
        error.message);
    return MayPass(response->status, error) ? absl::UnavailableError(said)
                                            : absl::PermissionDeniedError(said);
  }
  auto assumed = ParseAssumedRole(response->body);
  if (!assumed.ok()) {
    return absl::UnavailableError(absl::StrCat("the token service ",
                                               identity.endpoint, ": ",
                                               assumed.status().message()));
  }
  return *std::move(assumed);
}

}  // namespace ebb

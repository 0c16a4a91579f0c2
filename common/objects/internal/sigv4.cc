#include "common/objects/internal/sigv4.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/tls/sha256.h"

namespace ebb {

namespace {

constexpr absl::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string Day(absl::Time time) {
  return absl::FormatTime("%Y%m%d", time, absl::UTCTimeZone());
}

std::string ScopeText(const SigningScope& scope) {
  return absl::StrCat(Day(scope.time), "/", scope.region, "/", scope.service,
                      "/aws4_request");
}

std::string SignedHeaders(const UnsignedRequest& request) {
  std::string names;
  for (const auto& [name, value] : request.headers) {
    absl::StrAppend(&names, names.empty() ? "" : ";", name);
  }
  return names;
}

}  // namespace

std::string UriEncode(absl::string_view text, bool keep_slash) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' ||
        c == '~' || (c == '/' && keep_slash)) {
      encoded.push_back(c);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<int>(byte));
    }
  }
  return encoded;
}

std::string EncodeQuery(const std::map<std::string, std::string>& query) {
  std::string encoded;
  for (const auto& [name, value] : query) {
    absl::StrAppend(&encoded, encoded.empty() ? "" : "&",
                    UriEncode(name, false), "=", UriEncode(value, false));
  }
  return encoded;
}

std::string HexSha256(std::span<const absl::string_view> parts) {
  return absl::BytesToHexString(Sha256OfParts(parts));
}

std::string AmzDate(absl::Time time) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", time, absl::UTCTimeZone());
}

std::string CanonicalRequest(const UnsignedRequest& request) {
  std::string text =
      absl::StrCat(request.method, "\n", UriEncode(request.path, true), "\n",
                   EncodeQuery(request.query), "\n");
  for (const auto& [name, value] : request.headers) {
    absl::StrAppend(&text, name, ":", value, "\n");
  }
  absl::StrAppend(&text, "\n", SignedHeaders(request), "\n",
                  request.payload_sha256);
  return text;
}

std::string SigningKey(absl::string_view secret_key,
                       const SigningScope& scope) {
  std::string key =
      HmacSha256(absl::StrCat("AWS4", secret_key), Day(scope.time));
  key = HmacSha256(key, scope.region);
  key = HmacSha256(key, scope.service);
  return HmacSha256(key, "aws4_request");
}

std::string Authorization(const UnsignedRequest& request,
                          const Credentials& credentials,
                          const SigningScope& scope) {
  const std::string canonical = CanonicalRequest(request);
  const absl::string_view parts[] = {canonical};
  const std::string to_sign =
      absl::StrCat(kAlgorithm, "\n", AmzDate(scope.time), "\n",
                   ScopeText(scope), "\n", HexSha256(parts));
  const std::string signature = absl::BytesToHexString(
      HmacSha256(SigningKey(credentials.secret_key, scope), to_sign));
  return absl::StrCat(
      kAlgorithm, " Credential=", credentials.access_key, "/", ScopeText(scope),
      ", SignedHeaders=", SignedHeaders(request), ", Signature=", signature);
}

}  // namespace ebb

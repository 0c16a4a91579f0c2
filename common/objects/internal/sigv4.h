// Signing requests as AWS does, version 4 ("SigV4"). Pure functions.
#ifndef EBB_COMMON_OBJECTS_INTERNAL_SIGV4_H_
#define EBB_COMMON_OBJECTS_INTERNAL_SIGV4_H_

#include <map>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/objects/credentials.h"

namespace ebb {

// The parts that are signed. Values are as they are before any encoding.
struct UnsignedRequest {
  std::string method;  // "GET"
  std::string path;    // "/bucket/key"
  std::map<std::string, std::string> query;
  // All that are signed, by names in lower case. "host" must be among them.
  std::map<std::string, std::string> headers;
  std::string payload_sha256;  // In hexadecimal digits.
};

struct SigningScope {
  absl::Time time;
  std::string region;
  std::string service;
};

// Keeps letters, digits and "-._~", and with `keep_slash` also "/"; all other
// bytes become "%XX".
std::string UriEncode(absl::string_view text, bool keep_slash);
// "a=1&b=2", ascending by name, encoded.
std::string EncodeQuery(const std::map<std::string, std::string>& query);

// The SHA-256 of the parts one after the other, in hexadecimal digits.
std::string HexSha256(std::span<const absl::string_view> parts);

// "20130524T000000Z"
std::string AmzDate(absl::Time time);

// The form of the request whose hash is signed.
std::string CanonicalRequest(const UnsignedRequest& request);
// The 32 bytes with which a day's requests are signed.
std::string SigningKey(absl::string_view secret_key, const SigningScope& scope);
// The value of the header "authorization".
std::string Authorization(const UnsignedRequest& request,
                          const Credentials& credentials,
                          const SigningScope& scope);

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_INTERNAL_SIGV4_H_

#include "common/tls/tls_settings.h"

#include <arpa/inet.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace ebb {

absl::Status TlsSettings::Validate() const {
  if (files.none()) return absl::OkStatus();
  std::vector<absl::string_view> missing;
  if (files.certificate.empty()) missing.push_back("--tls-cert");
  if (files.key.empty()) missing.push_back("--tls-key");
  if (files.authority.empty()) missing.push_back("--tls-ca");
  if (!missing.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        absl::StrJoin(missing, " and "), missing.size() == 1 ? " is" : " are",
        " missing: TLS takes --tls-cert, --tls-key and --tls-ca together "
        "(EBB_TLS_CERT, EBB_TLS_KEY, EBB_TLS_CA); `ebb certs` makes such "
        "files to try it"));
  }
  if (insecure) {
    return absl::InvalidArgumentError(
        "--insecure and --tls-cert are both given: leave out one");
  }
  return absl::OkStatus();
}

bool IsLocalAddress(absl::string_view address) {
  if (absl::StartsWith(address, "unix:") ||
      absl::StartsWith(address, "unix-abstract:")) {
    return true;
  }
  for (const absl::string_view scheme : {"dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&address, scheme)) break;
  }
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  absl::string_view host = address.substr(0, colon);
  if (absl::EqualsIgnoreCase(host, "localhost")) return true;
  if (absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]")) {
    in6_addr v6 = {};
    return inet_pton(AF_INET6, std::string(host).c_str(), &v6) == 1 &&
           IN6_IS_ADDR_LOOPBACK(&v6);
  }
  in_addr v4 = {};
  return inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1 &&
         ntohl(v4.s_addr) >> 24 == 127;
}

}  // namespace ebb

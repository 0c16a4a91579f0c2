#include "common/rpc/grpc_status.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/internal/check.h"

namespace ebb::rpc {

namespace {

// What gRPC says of a peer that it does not reach, without its own workings:
// "... last error: UNKNOWN: ipv4:10.0.0.1:7000: Failed to connect to remote
// host: Connection refused".
std::string Plain(const std::string& message) {
  // What a verifier of ours says (grpc_security.cc).
  constexpr absl::string_view kVerifier =
      "Custom verification check failed with error: ";
  if (const size_t at = message.find(kVerifier.data());
      at != std::string::npos) {
    return message.substr(at + kVerifier.size());
  }
  if (absl::StrContains(message, " handshake failed")) {
    return "the TLS handshake failed: it speaks plain text, or one side's "
           "certificate is not of the other's --tls-ca, or has expired";
  }
  if (absl::StrContains(message, "Failed parsing HTTP/2")) {
    return "what listens there does not speak gRPC";
  }
  if (!absl::StartsWith(message, "failed to connect to all addresses") &&
      !absl::StartsWith(message, "DNS resolution failed")) {
    return message;
  }
  const size_t last = message.rfind(": ");
  return last == std::string::npos ? message : message.substr(last + 2);
}

// gRPC ends a call whose message is over its limit by the code that also says
// "back off", and by one of these texts, with both sizes in brackets behind it.
bool IsOverLimit(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
         absl::StrContains(status.error_message(), "message larger than max (");
}

absl::Status OverLimit(const std::string& message) {
  const size_t begin = message.find('(') + 1;
  const std::vector<std::string> sizes = absl::StrSplit(
      message.substr(begin, message.find(')', begin) - begin), " vs. ");
  const bool known = sizes.size() == 2;
  return absl::OutOfRangeError(absl::StrCat(
      "a message", known ? absl::StrCat(" of ", sizes[0], " bytes") : "",
      " is over --message-limit",
      known ? absl::StrCat(", which is ", sizes[1], " bytes") : "",
      ": raise it, on all daemons alike"));
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  constexpr size_t kMaxMessage = 2048;
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(
      static_cast<grpc::StatusCode>(status.code()),
      internal::ValidUtf8(status.message().substr(0, kMaxMessage)));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (IsOverLimit(status)) return OverLimit(status.error_message());
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
      status.error_message().empty()) {
    return absl::UnimplementedError(
        "the daemon there does not know such a call: it has another role "
        "(each has an address of its own), or is an older ebb");
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      Plain(status.error_message()));
}

absl::Status FromGrpcNotCancelled(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    return absl::UnavailableError(absl::StrCat(
        "the other side ended the call: ", status.error_message()));
  }
  return FromGrpc(status);
}

}  // namespace ebb::rpc

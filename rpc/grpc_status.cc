#include "rpc/grpc_status.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rpc/call_failure.h"
#include "rpc/internal/check.h"

namespace ebb::rpc {

namespace {

// The texts of gRPC after it waited long enough for a connection. The second is
// what the system says of a socket that is given up. No connection was reset,
// for there was none.
constexpr absl::string_view kGivenUp = "tcp handshaker shutdown";
constexpr absl::string_view kGivenUpBySystem =
    "Failed to connect to remote host: Connection reset";

struct Words {
  absl::string_view of_grpc;
  CallCause cause;
};

// gRPC tells these apart by its texts only; the first that is found holds.
constexpr Words kWords[] = {
    {"Custom verification check failed", CallCause::kTls},
    {" handshake failed", CallCause::kTls},
    {"Failed parsing HTTP/2", CallCause::kNotEbb},
    {"http1.x server", CallCause::kNotEbb},
    {"http2 header with status", CallCause::kNotEbb},
    {"DNS resolution failed", CallCause::kName},
    {"ame or service not known", CallCause::kName},
    {"Connection refused", CallCause::kRefused},
    // LocalCredentials say so of another machine (grpc_setup.cc).
    {"neither UDS or TCP loopback", CallCause::kPlain},
    {kGivenUpBySystem, CallCause::kNoAnswer},
    {"Socket closed", CallCause::kClosed},
    {"Connection reset", CallCause::kClosed},
    {"Broken pipe", CallCause::kClosed},
    {"GOAWAY", CallCause::kClosed},
    {"keepalive watchdog timeout", CallCause::kNoAnswer},
    {"timed out", CallCause::kNoAnswer},
    {"Timeout occurred", CallCause::kNoAnswer},
    {"No route to host", CallCause::kNoAnswer},
    {"unreachable", CallCause::kNoAnswer},
    {kGivenUp, CallCause::kNoAnswer},
};

CallCause CauseOf(const std::string& message) {
  for (const Words& words : kWords) {
    if (absl::StrContains(message, words.of_grpc)) return words.cause;
  }
  return CallCause::kOther;
}

// "DNS resolution failed for ps-0:7001: C-ares status is not ARES_SUCCESS
// qtype=A name=ps-0 is_balancer=0: Domain name not found".
std::string NameNotFound(absl::string_view message) {
  constexpr absl::string_view kFor = "failed for ";
  const size_t last = message.rfind(": ");
  const absl::string_view why =
      last == absl::string_view::npos ? message : message.substr(last + 2);
  const size_t at = message.find(kFor);
  if (at == absl::string_view::npos) {
    return absl::StrCat("its name does not resolve: ", why);
  }
  absl::string_view name = message.substr(at + kFor.size());
  name = name.substr(0, name.find(": "));
  name = name.substr(0, name.rfind(':'));
  return absl::StrCat("the name ", name, " does not resolve: ", why);
}

// Says why gRPC does not reach a peer, without its own workings:
// "... last error: UNKNOWN: ipv4:10.0.0.1:7000: Failed to connect to remote
// host: Connection refused".
std::string Plain(const std::string& message, CallCause cause) {
  // A verifier of ours says this (grpc_security.cc).
  constexpr absl::string_view kVerifier =
      "Custom verification check failed with error: ";
  if (const size_t at = message.find(kVerifier.data());
      at != std::string::npos) {
    return message.substr(at + kVerifier.size());
  }
  if (cause == CallCause::kTls) {
    return "the TLS handshake failed: it speaks plain text, or one side's "
           "certificate is not of the other's --tls-ca, or has expired";
  }
  if (absl::StrContains(message, "Failed parsing HTTP/2")) {
    return "what listens there does not speak gRPC";
  }
  if (cause == CallCause::kName) return NameNotFound(message);
  if (cause == CallCause::kPlain) {
    return "it is another machine, and nothing is said there in plain text: "
           "others could read and change it";
  }
  if (absl::StrContains(message, kGivenUp) ||
      absl::StrContains(message, kGivenUpBySystem)) {
    return "the connection attempt timed out";
  }
  if (!absl::StartsWith(message, "failed to connect to all addresses")) {
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
  const CallCause cause = CauseOf(status.error_message());
  return WithCause(
      absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                   Plain(status.error_message(), cause)),
      cause);
}

absl::Status FromGrpcNotCancelled(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    return WithCause(
        absl::UnavailableError(absl::StrCat("the other side ended the call: ",
                                            status.error_message())),
        CallCause::kClosed);
  }
  return FromGrpc(status);
}

}  // namespace ebb::rpc

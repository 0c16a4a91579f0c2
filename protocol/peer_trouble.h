// Why a daemon does not reach a server: what its calls end with, since when,
// and at which address. A worker and a server tell the scheduler, which shows
// it to people (docs/connections.md).
#ifndef EBB_PROTOCOL_PEER_TROUBLE_H_
#define EBB_PROTOCOL_PEER_TROUBLE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace ebb {

// The cause of a call without an answer. The numbers are those of
// v1::PeerTrouble.Cause.
enum class CallCause : uint8_t {
  kOther,     // None of those below.
  kName,      // The host's name does not resolve.
  kRefused,   // The machine says that nothing listens at the port.
  kNoAnswer,  // No answer came, or none in time.
  kClosed,    // The connection was there, and broke.
  kTls,     // The TLS handshake failed, or the certificate is of another role.
  kDenied,  // The peer answers, and does not let the caller in.
  kPlain,   // The caller may not speak plain text to another machine.
  kTooLarge,     // The message is over --message-limit.
  kNotEbb,       // The process that listens there is another program.
  kWrongServer,  // Another server answers than the scheduler names.
};
inline constexpr int kCallCauses =
    static_cast<int>(CallCause::kWrongServer) + 1;

// One word for metrics and `--json`: "name", "refused", "no_answer", ...
absl::string_view CallCauseName(CallCause cause);
// The remedy for a server that `caller` ("the worker", "ps 1") cannot reach at
// its address for this cause, as a clause: "start the server, or ...".
std::string WhatToDo(CallCause cause, absl::string_view address,
                     absl::string_view caller);

struct CallFailure {
  CallCause cause = CallCause::kOther;
  std::string text;  // The system's words, for people.
};

struct PeerTrouble {
  ServerId server;
  SessionId session;  // The life of the server that was called.
  std::string address;
  absl::Duration lasts;  // Since the first call that failed.
  int64_t attempts = 0;  // Calls that failed, in a row.
  CallFailure why;       // The last failure.
};

// "ps 3 at ps-3:7001: the name ps-3 does not resolve (12 attempts in 14s)".
std::string ToText(const PeerTrouble& trouble);

}  // namespace ebb

#endif  // EBB_PROTOCOL_PEER_TROUBLE_H_

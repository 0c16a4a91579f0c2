#include "protocol/peer_trouble.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ebb {

absl::string_view CallCauseName(CallCause cause) {
  switch (cause) {
    case CallCause::kName:
      return "name";
    case CallCause::kRefused:
      return "refused";
    case CallCause::kNoAnswer:
      return "no_answer";
    case CallCause::kClosed:
      return "closed";
    case CallCause::kTls:
      return "tls";
    case CallCause::kDenied:
      return "denied";
    case CallCause::kPlain:
      return "plain";
    case CallCause::kTooLarge:
      return "too_large";
    case CallCause::kNotEbb:
      return "not_ebb";
    case CallCause::kWrongServer:
      return "wrong_server";
    case CallCause::kOther:
      break;
  }
  return "other";
}

std::string WhatToDo(CallCause cause, absl::string_view address,
                     absl::string_view caller) {
  switch (cause) {
    case CallCause::kName:
      return absl::StrCat(
          "start the server with an --advertise that the machine of ", caller,
          " resolves, or make ", address, " resolve there");
    case CallCause::kRefused:
      return absl::StrCat(
          "start the server with a --listen and an --advertise that belong "
          "together: nothing listens at ",
          address, ", seen from the machine of ", caller);
    case CallCause::kNoAnswer:
      return absl::StrCat("let firewalls and network policies pass ", address,
                          ", and look whether the server's process stands "
                          "still");
    case CallCause::kClosed:
      return "look at the server's log, and at what lies between the two "
             "machines";
    case CallCause::kTls:
      return "start both with --tls-cert, --tls-key and --tls-ca, each with a "
             "certificate of its role from one authority (ebb certs), or both "
             "without TLS";
    case CallCause::kDenied:
      return absl::StrCat(
          "look at docs/security.md for what the role of the certificate of ",
          caller, " may do, and at the clocks of both machines");
    case CallCause::kPlain:
      return absl::StrCat("start ", caller,
                          " with --tls-cert, --tls-key and --tls-ca, or with "
                          "--insecure if the network is yours alone");
    case CallCause::kTooLarge:
      return "start all daemons with a larger --message-limit, or give the job "
             "more partitions";
    case CallCause::kNotEbb:
      return absl::StrCat("start the server with an --advertise of its own: ",
                          address, " belongs to something else");
    case CallCause::kWrongServer:
      return absl::StrCat(
          "start the server with an --advertise of its own: at ", address,
          " the machine of ", caller, " finds another server");
    case CallCause::kOther:
      break;
  }
  return "look at the logs of both";
}

std::string ToText(const PeerTrouble& trouble) {
  std::string text = absl::StrCat("ps ", trouble.server.value(), " at ",
                                  trouble.address, ": ", trouble.why.text);
  if (trouble.attempts < 2) return text;
  return absl::StrCat(
      text, " (", trouble.attempts, " attempts in ",
      absl::FormatDuration(absl::Floor(
          std::max(trouble.lasts, absl::Seconds(1)), absl::Seconds(1))),
      ")");
}

}  // namespace ebb

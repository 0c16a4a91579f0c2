#include "tools/ebb/status/no_answer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

namespace {

enum class Why {
  kNobody,  // Nothing listens there, or there is no way to it.
  // A process listens, and does not speak TLS as we do, or with another role.
  kNoTls,
  kNotGreeted,  // A process listens, and takes no requests (in time).
  kLate,        // It may be doing what it was asked.
  kBroken,      // So may it have been.
  kAnswered,    // It cannot, in its own words.
};

// gRPC cannot tell: the one side of TLS finds the other's words senseless.
constexpr absl::string_view kOrTls =
    " If it speaks TLS, give --tls-cert, --tls-key and --tls-ca, of a "
    "certificate that it believes.";
constexpr absl::string_view kWebServer = "http2 header with status";

template <size_t n>
bool HasAny(absl::string_view text, const absl::string_view (&words)[n]) {
  return std::any_of(words, words + n, [text](absl::string_view word) {
    return absl::StrContains(text, word);
  });
}

// gRPC tells these apart by its texts only.
Why WhyOf(const absl::Status& status) {
  constexpr absl::string_view kNoTls[] = {"TLS handshake failed",
                                          "what answers is no"};
  constexpr absl::string_view kNotGreeted[] = {"SETTINGS frame",
                                               "http1.x server", kWebServer};
  constexpr absl::string_view kLate[] = {"keepalive watchdog timeout"};
  constexpr absl::string_view kBroken[] = {"Socket closed", "Connection reset",
                                           "Broken pipe", "GOAWAY",
                                           "the other side ended the call"};
  constexpr absl::string_view kNobody[] = {
      "Connection refused",  "ailed to connect",
      "resolution",          "does not resolve",
      "No route to host",    "unreachable",
      "not known",           "connection attempt timed out",
      "Connection timed out"};
  if (absl::IsDeadlineExceeded(status) || HasAny(status.message(), kLate)) {
    return Why::kLate;
  }
  if (HasAny(status.message(), kNoTls)) return Why::kNoTls;
  if (HasAny(status.message(), kNotGreeted)) return Why::kNotGreeted;
  if (HasAny(status.message(), kBroken)) return Why::kBroken;
  return HasAny(status.message(), kNobody) ? Why::kNobody : Why::kAnswered;
}

}  // namespace

std::string NoAnswerText(const absl::Status& status) {
  switch (WhyOf(status)) {
    case Why::kNotGreeted:
    case Why::kLate:
      return "it did not answer in time";
    case Why::kBroken:
      return "the connection broke";
    case Why::kNoTls:
    case Why::kNobody:
    case Why::kAnswered:
      break;
  }
  return std::string(status.message());
}

absl::Status WithAddress(const absl::Status& status,
                         const std::string& scheduler, Asked asked) {
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) &&
      !absl::StrContains(status.message(), kWebServer)) {
    return status;
  }
  const absl::string_view next =
      asked == Asked::kToLook
          ? "Try again."
          : "It may have done what was asked, or still do it: look with `ebb "
            "status` before you ask again.";
  std::string text;
  switch (WhyOf(status)) {
    case Why::kAnswered:
      return status;
    case Why::kNobody:
      text = absl::StrCat("no scheduler listens at ", scheduler, " (",
                          status.message(),
                          "). Is it up? Another is named by --scheduler "
                          "HOST:PORT or EBB_SCHEDULER; that of a run is in "
                          "its folder: runs/NAME-N/scheduler.address.");
      break;
    case Why::kNoTls:
      text = absl::StrCat("no connection to ", scheduler, ": ",
                          status.message(), ".");
      break;
    case Why::kNotGreeted:
      text = absl::StrCat("something listens at ", scheduler,
                          ", but takes no requests. A scheduler that is busy? "
                          "Nothing was asked of it yet: try again. Another is "
                          "named by --scheduler HOST:PORT or EBB_SCHEDULER.",
                          kOrTls);
      break;
    case Why::kLate:
      text = absl::StrCat("the scheduler at ", scheduler,
                          " did not answer in time: it, or its machine, is "
                          "busy. ",
                          next);
      break;
    case Why::kBroken:
      // A peer that sends GOAWAY speaks plain text.
      text = absl::StrCat("the connection to the scheduler at ", scheduler,
                          " broke before its answer. ", next,
                          absl::StrContains(status.message(), "GOAWAY")
                              ? absl::string_view()
                              : kOrTls);
      break;
  }
  return absl::Status(status.code(), text);
}

}  // namespace ebb::tools

#include "rpc/call_failure.h"

#include <string>
#include <utility>

#include "absl/strings/cord.h"

namespace ebb::rpc {

namespace {

constexpr absl::string_view kCausePayload = "ebb/call-cause";
// Enough for people; gRPC's own words may be long.
constexpr size_t kMostTextBytes = 512;

CallCause CauseOf(const absl::Status& status) {
  if (const auto cause = status.GetPayload(kCausePayload);
      cause && cause->size() == 1) {
    return static_cast<CallCause>((*cause)[0]);
  }
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return CallCause::kNoAnswer;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return CallCause::kDenied;
    case absl::StatusCode::kOutOfRange:
      return CallCause::kTooLarge;
    case absl::StatusCode::kUnimplemented:
      return CallCause::kNotEbb;
    default:
      return CallCause::kOther;
  }
}

}  // namespace

absl::Status WithCause(absl::Status status, CallCause cause) {
  if (status.ok() || cause == CallCause::kOther) return status;
  const char value = static_cast<char>(cause);
  status.SetPayload(kCausePayload, absl::Cord(absl::string_view(&value, 1)));
  return status;
}

CallFailure FailureOf(const absl::Status& status) {
  CallFailure failure{CauseOf(status),
                      std::string(status.message().substr(0, kMostTextBytes))};
  if (absl::IsDeadlineExceeded(status)) {
    failure.text = "it does not answer in time";
  } else if (failure.text.empty()) {
    failure.text = absl::StatusCodeToString(status.code());
  }
  return failure;
}

}  // namespace ebb::rpc

// The end of a call, on every way beside gRPC.
#ifndef EBB_RPC_INTERNAL_CALL_DONE_H_
#define EBB_RPC_INTERNAL_CALL_DONE_H_

#include <variant>

#include "absl/status/status.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

using CallDone = std::variant<std::monostate, PsChannel::PushDone,
                              PsChannel::PullDone, PsChannel::FetchDone>;

inline void EndCall(CallDone* done, const absl::Status& status) {
  if (auto* push = std::get_if<PsChannel::PushDone>(done)) {
    (*push)(status);
  } else if (auto* pull = std::get_if<PsChannel::PullDone>(done)) {
    (*pull)(status);
  } else if (auto* fetch = std::get_if<PsChannel::FetchDone>(done)) {
    (*fetch)(status);
  }
}

inline absl::Status NoAnswerInTime() {
  return absl::DeadlineExceededError("the server did not answer in time");
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_CALL_DONE_H_

// The cause of a call without an answer, from its status: FromGrpc knows more
// than a code and a text say, and the status carries it.
//
//   channel->Push(request, deadline, [](absl::StatusOr<PushReply> reply) {
//     if (!reply.ok()) Tell(rpc::FailureOf(reply.status()));
//   });
#ifndef EBB_RPC_CALL_FAILURE_H_
#define EBB_RPC_CALL_FAILURE_H_

#include "absl/status/status.h"
#include "protocol/peer_trouble.h"

namespace ebb::rpc {

// The same code and text; FailureOf returns this cause.
absl::Status WithCause(absl::Status status, CallCause cause);

// `status` is an error. Without WithCause, the code decides.
CallFailure FailureOf(const absl::Status& status);

}  // namespace ebb::rpc

#endif  // EBB_RPC_CALL_FAILURE_H_

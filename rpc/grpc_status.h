// absl::Status <-> grpc::Status: the only place where they meet.
#ifndef EBB_RPC_GRPC_STATUS_H_
#define EBB_RPC_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace ebb::rpc {

// The codes are the same. A message is cut to the 2 KiB that fit in the
// trailers of every peer. FromGrpc adds what FailureOf (call_failure.h)
// returns.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// Does the same as FromGrpc for a call that this side did not cancel: the other
// side did, because it is going, which is kUnavailable.
absl::Status FromGrpcNotCancelled(const grpc::Status& status);

}  // namespace ebb::rpc

#endif  // EBB_RPC_GRPC_STATUS_H_

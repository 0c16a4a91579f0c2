// How gRPC keeps time in this process: by the steady clock.
//
// gRPC itself goes by it, but its threads sleep by Abseil, whose waits last
// until an instant of the wall clock. If that clock is set back by an hour, no
// deadline, keepalive or attempt to connect comes for an hour. A program that
// links this file waits by the steady clock there, too.
#ifndef EBB_RPC_INTERNAL_GRPC_TIME_H_
#define EBB_RPC_INTERNAL_GRPC_TIME_H_

#include <grpc/support/time.h>

#include "absl/time/time.h"

namespace ebb::rpc::internal {

// The deadline for gRPC that comes `limit` from now. None comes after an
// infinite one.
gpr_timespec DeadlineIn(absl::Duration limit);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_TIME_H_

// Runs admin handlers on the threads of an AdminPool.
#ifndef EBB_COMMON_RPC_INTERNAL_GRPC_ADMIN_H_
#define EBB_COMMON_RPC_INTERNAL_GRPC_ADMIN_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/internal/admin_pool.h"

namespace ebb::rpc::internal {

inline absl::Status NoAdmin() {
  return absl::UnimplementedError("this address serves no admin calls");
}

inline absl::Status TooManyAdminCalls() {
  return absl::ResourceExhaustedError("too many admin calls: try again later");
}

// `method` of `handler`, which may be null.
template <typename Handler, typename Request, typename Response>
grpc::ServerUnaryReactor* RunAdmin(
    AdminPool* pool, Handler* handler, grpc::CallbackServerContext* context,
    const Request* request, Response* response,
    absl::Status (Handler::*method)(const Request&, Response*)) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (handler == nullptr) {
    reactor->Finish(ToGrpc(NoAdmin()));
    return reactor;
  }
  // Request, response and reactor live until Finish.
  const bool posted = pool->Post([=] {
    if (context->IsCancelled()) {
      reactor->Finish(grpc::Status::CANCELLED);
      return;
    }
    reactor->Finish(ToGrpc((handler->*method)(*request, response)));
  });
  if (!posted) reactor->Finish(ToGrpc(TooManyAdminCalls()));
  return reactor;
}

}  // namespace ebb::rpc::internal

#endif  // EBB_COMMON_RPC_INTERNAL_GRPC_ADMIN_H_

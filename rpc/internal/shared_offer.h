// How a worker asks for shared memory over gRPC, and how a server answers.
#ifndef EBB_RPC_INTERNAL_SHARED_OFFER_H_
#define EBB_RPC_INTERNAL_SHARED_OFFER_H_

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>

#include <memory>

#include "rpc/internal/shared_channel.h"
#include "rpc/internal/shared_host.h"

namespace ebb::rpc::internal {

// Asks on a connection that others use, too.
std::unique_ptr<SharedAsker> MakeSharedAsker(
    const std::shared_ptr<grpc::Channel>& channel);

// `host` is not owned and outlives the service.
std::unique_ptr<grpc::Service> MakeSharedService(SharedHost* host);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SHARED_OFFER_H_

// The calling ends of the gRPC transport.
#ifndef EBB_RPC_INTERNAL_GRPC_CLIENT_H_
#define EBB_RPC_INTERNAL_GRPC_CLIENT_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "rpc/internal/guard.h"
#include "rpc/internal/key_lists.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// `sent_keys` is of the server at the channel's other end, on every way to it.
std::unique_ptr<PsChannel> ConnectGrpcPs(
    const std::shared_ptr<grpc::Channel>& channel,
    const TransportOptions& options, Guard guard,
    std::shared_ptr<SentKeys> sent_keys);
std::unique_ptr<WorkerSession> ConnectGrpcWorkerSession(
    const std::shared_ptr<grpc::Channel>& channel,
    const TransportOptions& options, Guard guard,
    WorkerSessionHandler* handler);
std::unique_ptr<ServerSession> ConnectGrpcServerSession(
    const std::shared_ptr<grpc::Channel>& channel,
    const TransportOptions& options, Guard guard,
    ServerSessionHandler* handler);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_CLIENT_H_

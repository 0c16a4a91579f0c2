// How connections are made: credentials and channel arguments, for everything
// that uses gRPC.
#ifndef EBB_COMMON_RPC_INTERNAL_GRPC_SETUP_H_
#define EBB_COMMON_RPC_INTERNAL_GRPC_SETUP_H_

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "common/rpc/security.h"
#include "common/rpc/transport.h"

namespace ebb::rpc::internal {

// Each has its own connection, to a daemon of this role. Where there must be
// none in plain text (MaySpeak), all calls fail with kUnavailable.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const TransportOptions& options,
                                           const Security* security, Role role);

// `*port` is set when the server is built.
void SetUpServer(const std::string& address, const TransportOptions& options,
                 const Security* security, grpc::ServerBuilder* builder,
                 int* port);

}  // namespace ebb::rpc::internal

#endif  // EBB_COMMON_RPC_INTERNAL_GRPC_SETUP_H_

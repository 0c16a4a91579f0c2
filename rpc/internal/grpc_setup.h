// How connections are made: credentials and channel arguments, for everything
// that uses gRPC.
#ifndef EBB_RPC_INTERNAL_GRPC_SETUP_H_
#define EBB_RPC_INTERNAL_GRPC_SETUP_H_

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rpc/security.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// Each has its own connection, to a daemon of this role. A process that must
// stay local (security.h) looks the name up and connects, so that a call fails
// for the first thing that is wrong; but it speaks to no other machine: those
// calls fail with kUnavailable and CallCause::kPlain.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const TransportOptions& options,
                                           const Security* security, Role role);

// `*port` is set when the server is built.
void SetUpServer(const std::string& address, const TransportOptions& options,
                 const Security* security, grpc::ServerBuilder* builder,
                 int* port);

// The status of a call that a command or a daemon's main function makes:
// CallCause::kPlain becomes the InvalidArgument of MayConnect.
absl::Status NamePlainText(const absl::Status& status,
                           absl::string_view address);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_SETUP_H_

// Credentials of gRPC.
#ifndef EBB_RPC_INTERNAL_GRPC_SECURITY_H_
#define EBB_RPC_INTERNAL_GRPC_SECURITY_H_

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/server_context.h>

#include <memory>
#include <optional>
#include <string>

#include "rpc/security.h"

namespace ebb::rpc {

// Watches the files, for all connections that are made with it.
struct Security::Grpc {
  // Counts what it refuses.
  explicit Grpc(const TlsFiles& files, std::shared_ptr<Refusals> refusals =
                                           std::make_shared<Refusals>());

  // To servers whose certificate is of this role.
  std::shared_ptr<grpc::ChannelCredentials> ToRole(Role role) const;
  // Peers must show a certificate, and may call what its role may.
  std::shared_ptr<grpc::ServerCredentials> Server() const;

 private:
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;
  const std::shared_ptr<Refusals> refusals_;
};

// Absent: it shows no certificate, as connections without TLS do.
std::optional<Role> RoleOfCaller(const grpc::ServerContextBase& context);
// In its certificate, as Certificate has it; empty: it shows none.
std::string NameOfCaller(const grpc::ServerContextBase& context);

}  // namespace ebb::rpc

#endif  // EBB_RPC_INTERNAL_GRPC_SECURITY_H_

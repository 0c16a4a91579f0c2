// gRPC's standard health protocol (grpc.health.v1), for what restarts daemons
// or waits for them: how a daemon answers it, and how it is asked.
#ifndef EBB_RPC_HEALTH_H_
#define EBB_RPC_HEALTH_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/tls/role.h"
#include "rpc/security.h"

namespace ebb::rpc {

// Answers at a Unix socket, in plain text, and serves nothing else there. A
// caller is in the daemon's own container, and needs no certificate.
//
//   EBB_ASSIGN_OR_RETURN(auto health, HealthSocket::Start(
//       flags.health_socket, [&] { return shell.status().connected; }));
//
// Thread-safe. Has a thread of its own.
class HealthSocket {
 public:
  // `ready` is called twice a second, on the socket's thread, until the object
  // is destroyed; NOT_SERVING is answered before its first answer. A socket at
  // `path` is replaced. Null if `path` is empty. InvalidArgument: `path` is too
  // long for a socket. Unavailable: it cannot be made, or another file is
  // there.
  static absl::StatusOr<std::unique_ptr<HealthSocket>> Start(
      const std::string& path, std::function<bool()> ready);
  virtual ~HealthSocket() = default;
};

enum class Health { kServing, kNotServing };

// Asks the daemon at `address` (HOST:PORT or unix:PATH), which under TLS must
// be of `role`. A Unix socket is spoken to in plain text, whatever `security`
// says. Blocks for `limit` at most. An error: there was no answer.
absl::StatusOr<Health> AskHealth(const std::string& address,
                                 const Security* security, Role role,
                                 absl::Duration limit);

}  // namespace ebb::rpc

#endif  // EBB_RPC_HEALTH_H_

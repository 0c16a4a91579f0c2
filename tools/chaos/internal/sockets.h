// Sockets of this machine, without blocking.
#ifndef EBB_TOOLS_CHAOS_INTERNAL_SOCKETS_H_
#define EBB_TOOLS_CHAOS_INTERNAL_SOCKETS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"
#include "tools/chaos/socket_owner.h"

namespace ebb::chaos {

// "127.0.0.1:PORT" or "localhost:PORT". InvalidArgument: another address.
absl::StatusOr<SocketAddress> ParseLoopback(absl::string_view address);

// Listens on a free port of 127.0.0.1.
absl::StatusOr<Fd> ListenOnLoopback();
absl::StatusOr<SocketAddress> NameOf(int socket);

// The next connection that waits at `listening`, and the address of its other
// end. Unavailable: none waits. ResourceExhausted: no descriptor or memory for
// it.
struct Accepted {
  Fd socket;
  SocketAddress peer;
};
absl::StatusOr<Accepted> Accept(int listening);

// Begins to connect; whether it succeeded, a later event on the socket and
// ConnectError tell. No descriptor: it has failed.
Fd BeginConnect(const SocketAddress& target);
// After that event: 0, or the error.
int ConnectError(int socket);

// Closes the connection with a reset.
void ResetConnection(Fd socket);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_INTERNAL_SOCKETS_H_

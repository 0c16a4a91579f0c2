// TCP sockets of our own. None of them blocks.
#ifndef EBB_RPC_INTERNAL_TCP_SOCKET_H_
#define EBB_RPC_INTERNAL_TCP_SOCKET_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"

namespace ebb::rpc::internal {

struct HostAndPort {
  std::string host;  // Without brackets.
  int port = 0;
};
// "HOST:PORT", or "[HOST]:PORT". InvalidArgument: it is something else.
absl::StatusOr<HostAndPort> SplitAddress(absl::string_view address);
// A peer as gRPC names it: "ipv4:127.0.0.1:7001" or "ipv6:%5B::1%5D:7001".
// InvalidArgument: it is something else, such as a Unix socket.
absl::StatusOr<HostAndPort> SplitPeer(absl::string_view peer);

// Listens at the host's first address, or at all of the machine if that is a
// wildcard; port 0 picks a free one, which `port` becomes. Blocks while a name
// is looked up. Unavailable: it cannot.
absl::StatusOr<Fd> ListenTcp(const std::string& host, int* port);
// Null: there is none.
Fd AcceptTcp(int listening);
// Connects to a numeric host. Blocks for at most `limit`, or until `cancel` can
// be read. Unavailable: it cannot.
absl::StatusOr<Fd> ConnectTcp(const std::string& host, int port,
                              absl::Duration limit, int cancel);
// A connection without delays for small messages, which is given up when the
// other side acknowledges nothing for `idle` and then `patience` more.
void SetUpTcp(int socket, absl::Duration idle, absl::Duration patience);

// How many bytes must be there before poll() says that a socket can be read.
// Thread-compatible.
class TcpLowWater {
 public:
  // At least 1. Calls the system if that is another number than before.
  void Set(int socket, uint64_t bytes);

 private:
  uint64_t bytes_ = 1;
};

// Waits until `socket` can be read (written). False: not by `end`, or `cancel`
// can be read.
bool AwaitTcp(int socket, bool write, absl::Time end, int cancel);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_TCP_SOCKET_H_

// Which process is at the other end of a connection of this machine.
#ifndef EBB_TOOLS_CHAOS_SOCKET_OWNER_H_
#define EBB_TOOLS_CHAOS_SOCKET_OWNER_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::chaos {

struct DaemonProcess {
  pid_t pid = 0;
  std::string name;  // "worker-1"
};

// An IPv4 address in the network's byte order, a port in ours.
struct SocketAddress {
  uint32_t address = 0;
  int port = 0;
};

// The socket of the process that opened a connection, as it sees the socket.
struct PeerSocket {
  SocketAddress local;
  SocketAddress remote;
};

// For each of `sockets`, the daemon whose process has it open; empty: none has,
// be it a stranger's, or closed meanwhile. Asks the kernel for the sockets'
// inodes and reads the daemons' descriptors in /proc: microseconds for each.
std::vector<std::string> FindOwners(std::span<const PeerSocket> sockets,
                                    std::span<const DaemonProcess> daemons);

// Sets the inodes of those `sockets` that are in `table`, the contents of
// /proc/net/tcp or tcp6; leaves the others alone. An inode of 0 is that of a
// socket without a process. For kernels without NETLINK_SOCK_DIAG.
void FindInodes(absl::string_view table, std::span<const PeerSocket> sockets,
                std::vector<uint64_t>* inodes);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_SOCKET_OWNER_H_

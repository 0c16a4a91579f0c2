#include "tools/process/reserved_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::tools {

absl::StatusOr<ReservedPort> ReservedPort::Reserve() {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "cannot open a socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (bind(fd.get(), any, size) != 0 ||
      getsockname(fd.get(), any, &size) != 0) {
    return absl::ErrnoToStatus(errno, "no port of 127.0.0.1 is free");
  }
  // Only now: with it from the start, the kernel might give out a port that
  // another process reserved in the same way.
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  return ReservedPort(std::move(fd),
                      absl::StrCat("127.0.0.1:", ntohs(address.sin_port)));
}

}  // namespace ebb::tools

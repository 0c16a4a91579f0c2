#include "tools/chaos/internal/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ebb::chaos {

namespace {

// The kernel holds so much beside the proxy's own bounds. Without it, it holds
// up to tcp_rmem's maximum, megabytes, which a limited link would take seconds
// to carry: longer than keepalive waits.
constexpr int kReceiveBuffer = 256 << 10;
constexpr int kBacklog = 1024;

sockaddr_in ToSockaddr(const SocketAddress& end) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = end.address;
  address.sin_port = htons(static_cast<uint16_t>(end.port));
  return address;
}

SocketAddress FromSockaddr(const sockaddr_in& address) {
  return {address.sin_addr.s_addr, ntohs(address.sin_port)};
}

void SetOption(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof(value));
}

}  // namespace

absl::StatusOr<SocketAddress> ParseLoopback(absl::string_view address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  in_addr host = {};
  if (colon != absl::string_view::npos &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 &&
      port < 65536) {
    std::string name(address.substr(0, colon));
    if (name == "localhost") name = "127.0.0.1";
    if (inet_pton(AF_INET, name.c_str(), &host) == 1 &&
        ntohl(host.s_addr) >> 24 == 127) {
      return SocketAddress{host.s_addr, port};
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the network faults of this machine need an address like "
                   "127.0.0.1:PORT, not '",
                   address, "'"));
}

absl::StatusOr<Fd> ListenOnLoopback() {
  Fd listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (listening.get() < 0) {
    return absl::ErrnoToStatus(errno, "cannot open a socket");
  }
  // Accepted sockets inherit it; afterwards it would come too late for
  // the window they offer.
  SetOption(listening.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  const sockaddr_in address = ToSockaddr({htonl(INADDR_LOOPBACK), 0});
  if (bind(listening.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0 ||
      listen(listening.get(), kBacklog) != 0) {
    return absl::ErrnoToStatus(errno, "no port of 127.0.0.1 is free");
  }
  return listening;
}

absl::StatusOr<SocketAddress> NameOf(int socket) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return absl::ErrnoToStatus(errno, "a socket without a name");
  }
  return FromSockaddr(address);
}

absl::StatusOr<Accepted> Accept(int listening) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  while (true) {
    Fd socket(accept4(listening, reinterpret_cast<sockaddr*>(&address), &size,
                      SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.get() >= 0) {
      SetOption(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      return Accepted{std::move(socket), FromSockaddr(address)};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return absl::UnavailableError("no connection waits");
    }
    // The connection failed before it was accepted: on to the next one.
    if (errno == EINTR || errno == ECONNABORTED) continue;
    return absl::ResourceExhaustedError("no descriptor for a connection");
  }
}

Fd BeginConnect(const SocketAddress& target) {
  Fd connecting(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connecting.get() < 0) return {};
  SetOption(connecting.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  SetOption(connecting.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  const sockaddr_in address = ToSockaddr(target);
  if (connect(connecting.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0 &&
      errno != EINPROGRESS && errno != EINTR) {
    return {};
  }
  // If a port that the kernel gives out has no listener, it may give us just
  // that one, and we are connected to ourselves.
  const auto own = NameOf(connecting.get());
  if (own.ok() && own->port == target.port && own->address == target.address) {
    return {};
  }
  return connecting;
}

int ConnectError(int socket) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return errno;
  }
  return error;
}

void ResetConnection(Fd socket) {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

}  // namespace ebb::chaos

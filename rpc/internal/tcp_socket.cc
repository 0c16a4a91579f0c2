#include "rpc/internal/tcp_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::rpc::internal {

namespace {

constexpr int kBacklog = 128;

template <typename T>
void Set(int socket, int level, int option, const T& value) {
  // A system without the option does without it.
  setsockopt(socket, level, option, &value, sizeof(value));
}

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Addresses> LookUp(const std::string& host, int port, int flags) {
  addrinfo wanted = {};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &wanted, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat(
        "the host ", host, " cannot be looked up: ", gai_strerror(error)));
  }
  return Addresses(found, &freeaddrinfo);
}

Fd NewSocket(int family) {
  return Fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

absl::StatusOr<Fd> ListenAt(const sockaddr* address, socklen_t size,
                            int* port) {
  Fd fd = NewSocket(address->sa_family);
  if (!fd) return Failed("no socket can be made");
  // A server that comes back finds its port free.
  Set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address->sa_family == AF_INET6)
    Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_storage bound = {};
  socklen_t bound_size = sizeof(bound);
  auto* const got = reinterpret_cast<sockaddr*>(&bound);
  if (bind(fd.get(), address, size) != 0 || listen(fd.get(), kBacklog) != 0 ||
      getsockname(fd.get(), got, &bound_size) != 0) {
    return Failed(absl::StrCat("port ", *port, " cannot be listened at"));
  }
  *port = ntohs(bound.ss_family == AF_INET6
                    ? reinterpret_cast<sockaddr_in6*>(got)->sin6_port
                    : reinterpret_cast<sockaddr_in*>(got)->sin_port);
  return fd;
}

}  // namespace

absl::StatusOr<HostAndPort> SplitAddress(absl::string_view address) {
  HostAndPort split;
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &split.port) ||
      split.port < 0 || split.port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat(address, " must be HOST:PORT"));
  }
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  if (host.empty() || absl::StrContains(host, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat(address, " must be HOST:PORT"));
  }
  split.host = std::string(host);
  return split;
}

absl::StatusOr<HostAndPort> SplitPeer(absl::string_view peer) {
  if (!absl::ConsumePrefix(&peer, "ipv4:") &&
      !absl::ConsumePrefix(&peer, "ipv6:")) {
    return absl::InvalidArgumentError(
        absl::StrCat(peer, " must be a TCP connection"));
  }
  return SplitAddress(
      absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}}));
}

absl::StatusOr<Fd> ListenTcp(const std::string& host, int* port) {
  if (host == "0.0.0.0" || host == "::") {
    // Like gRPC, takes both kinds of addresses where the machine has both.
    sockaddr_in6 all = {};
    all.sin6_family = AF_INET6;
    all.sin6_addr = in6addr_any;
    all.sin6_port = htons(static_cast<uint16_t>(*port));
    auto fd = ListenAt(reinterpret_cast<sockaddr*>(&all), sizeof(all), port);
    if (fd.ok() || host == "::") return fd;
  }
  EBB_ASSIGN_OR_RETURN(const Addresses found, LookUp(host, *port, AI_PASSIVE));
  return ListenAt(found->ai_addr, found->ai_addrlen, port);
}

Fd AcceptTcp(int listening) {
  return Fd(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

absl::StatusOr<Fd> ConnectTcp(const std::string& host, int port,
                              absl::Duration limit, int cancel) {
  const absl::Time end = SteadyNow() + limit;
  EBB_ASSIGN_OR_RETURN(const Addresses found,
                       LookUp(host, port, AI_NUMERICHOST));
  Fd fd = NewSocket(found->ai_family);
  if (!fd) return Failed("no socket can be made");
  if (connect(fd.get(), found->ai_addr, found->ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return Failed("no connection");
  if (!AwaitTcp(fd.get(), /*write=*/true, end, cancel)) {
    return absl::UnavailableError("the connection attempt timed out");
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
      error != 0) {
    errno = error;
    return Failed("no connection");
  }
  return fd;
}

void SetUpTcp(int socket, absl::Duration idle, absl::Duration patience) {
  const auto seconds = [](absl::Duration duration) {
    return static_cast<int>(
        std::clamp<int64_t>(absl::ToInt64Seconds(duration), 1, 3600));
  };
  Set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(socket, IPPROTO_TCP, TCP_KEEPIDLE, seconds(idle));
  Set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  Set(socket, IPPROTO_TCP, TCP_KEEPCNT, seconds(patience));
  Set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT,
      static_cast<unsigned int>(std::clamp<int64_t>(
          absl::ToInt64Milliseconds(idle + patience), 100, 3'600'000)));
}

void TcpLowWater::Set(int socket, uint64_t bytes) {
  bytes = std::clamp<uint64_t>(bytes, 1, std::numeric_limits<int>::max());
  if (bytes == bytes_) return;
  bytes_ = bytes;
  internal::Set(socket, SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(bytes));
}

bool AwaitTcp(int socket, bool write, absl::Time end, int cancel) {
  while (true) {
    const absl::Duration left = end - SteadyNow();
    if (left <= absl::ZeroDuration()) return false;
    const timespec limit = absl::ToTimespec(left);
    std::array<pollfd, 2> both = {
        pollfd{.fd = socket,
               .events = static_cast<int16_t>(write ? POLLOUT : POLLIN),
               .revents = 0},
        pollfd{.fd = cancel, .events = POLLIN, .revents = 0}};
    const int n = ppoll(both.data(), both.size(), &limit, nullptr);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || both[1].revents != 0) return false;
    return true;
  }
}

}  // namespace ebb::rpc::internal

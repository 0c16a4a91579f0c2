#include "rpc/testing/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ebb::rpc {

namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::abort();
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int PortOf(const std::string& address) {
  int port = 0;
  Require(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port),
          "TcpProxy: target");
  return port;
}

}  // namespace

TcpProxy::TcpProxy(const std::string& target) : target_port_(PortOf(target)) {
  listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  Require(bind(listening_, reinterpret_cast<sockaddr*>(&address), size) == 0,
          "TcpProxy: bind");
  Require(listen(listening_, 16) == 0, "TcpProxy: listen");
  Require(getsockname(listening_, reinterpret_cast<sockaddr*>(&address),
                      &size) == 0,
          "TcpProxy: getsockname");
  address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  accepting_ = std::thread([this] { Accept(); });
}

TcpProxy::~TcpProxy() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  shutdown(listening_, SHUT_RDWR);
  accepting_.join();
  CloseConnections();
  std::vector<std::thread> threads;
  std::vector<int> sockets;
  {
    MutexLock lock(&mu_);
    threads.swap(threads_);
    sockets.swap(sockets_);
  }
  for (std::thread& thread : threads) thread.join();
  for (int fd : sockets) close(fd);
  close(listening_);
}

void TcpProxy::CloseConnections() {
  MutexLock lock(&mu_);
  for (int fd : sockets_) shutdown(fd, SHUT_RDWR);
}

void TcpProxy::Accept() {
  while (true) {
    const int from = accept(listening_, nullptr, nullptr);
    if (from < 0) return;
    const int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in target = Loopback(target_port_);
    MutexLock lock(&mu_);
    sockets_.push_back(from);
    sockets_.push_back(to);
    if (stopping_ || connect(to, reinterpret_cast<const sockaddr*>(&target),
                             sizeof(target)) != 0) {
      shutdown(from, SHUT_RDWR);
      continue;
    }
    threads_.emplace_back([this, from, to] { Forward({from, to}); });
    threads_.emplace_back([this, from, to] { Forward({to, from}); });
  }
}

void TcpProxy::Forward(Pipe pipe) {
  std::vector<char> buffer(1 << 16);
  while (true) {
    const ssize_t n = recv(pipe.from, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    if (!forwarding_) continue;
    for (ssize_t at = 0; at < n;) {
      const ssize_t sent =
          send(pipe.to, buffer.data() + at, n - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += sent;
    }
  }
  if (forwarding_) shutdown(pipe.to, SHUT_RDWR);
}

}  // namespace ebb::rpc

// Processes and sockets at both ends of a proxy, for its tests.
#ifndef EBB_TOOLS_CHAOS_TESTING_PEERS_H_
#define EBB_TOOLS_CHAOS_TESTING_PEERS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ebb::chaos {

// An event that takes this long means that the test has failed.
inline constexpr int kLongMs = 30'000;
// How long a test watches that nothing happens.
inline constexpr int kWhileMs = 200;
// More bytes than the buffers of the proxy and the kernel take.
inline constexpr size_t kMuch = 64 << 20;

inline sockaddr_in ToSockaddr(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  sockaddr_in result = {};
  result.sin_family = AF_INET;
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  result.sin_port = htons(static_cast<uint16_t>(port));
  return result;
}

// One end of a connection. Whatever blocks fails the test after a long time.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const timeval limit = {.tv_sec = kLongMs / 1000};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  }
  // `fd`: a socket that is not connected.
  static Socket To(const std::string& address,
                   int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    Socket socket(fd);
    const sockaddr_in to = ToSockaddr(address);
    EXPECT_EQ(
        connect(socket.fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
        0)
        << errno;
    return socket;
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() { Close(); }

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void CloseByReset() {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Close();
  }
  void EndSending() { shutdown(fd_, SHUT_WR); }

  // False: the connection is broken.
  bool Send(const std::string& bytes) {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t n =
          send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return false;
      at += static_cast<size_t>(n);
    }
    return true;
  }
  // So many bytes; fewer when the stream ends or breaks before.
  std::string Receive(size_t bytes) {
    std::string all(bytes, '\0');
    size_t at = 0;
    while (at < bytes) {
      const ssize_t n = recv(fd_, all.data() + at, bytes - at, 0);
      error_ = n < 0 ? errno : 0;
      if (n <= 0) break;
      at += static_cast<size_t>(n);
    }
    all.resize(at);
    return all;
  }
  // Awaits the end: 0 (a FIN) or the error.
  int AwaitEnd() {
    while (!Receive(1 << 16).empty() && error_ == 0) {
    }
    return error_;
  }
  bool Silent(int for_ms = kWhileMs) {
    pollfd event = {.fd = fd_, .events = POLLIN};
    return poll(&event, 1, for_ms) == 0;
  }
  // Awaits that the kernel knows it to be broken, without reading.
  bool AwaitBroken() {
    pollfd event = {.fd = fd_};
    return poll(&event, 1, kLongMs) == 1 && (event.revents & POLLERR) != 0;
  }
  // Sends until nothing more is taken for a while, or it is much too much.
  size_t Stuff() {
    const std::string bytes(1 << 16, 'x');
    size_t sent = 0;
    pollfd event = {.fd = fd_, .events = POLLOUT};
    while (sent < kMuch && poll(&event, 1, kWhileMs) == 1) {
      const ssize_t n =
          send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) sent += static_cast<size_t>(n);
    }
    return sent;
  }

 private:
  int fd_;
  int error_ = 0;
};

// A daemon that serves.
class Server {
 public:
  Server() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = ToSockaddr("127.0.0.1:0");
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, any, size), 0);
    EXPECT_EQ(listen(fd_, 1024), 0);
    EXPECT_EQ(getsockname(fd_, any, &size), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~Server() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  const std::string& address() const { return address_; }
  bool Silent() {
    pollfd event = {.fd = fd_, .events = POLLIN};
    return poll(&event, 1, kWhileMs) == 0;
  }
  Socket Accept() {
    pollfd event = {.fd = fd_, .events = POLLIN};
    EXPECT_EQ(poll(&event, 1, kLongMs), 1) << "nobody connects";
    return Socket(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
  }

 private:
  int fd_;
  std::string address_;
};

// A process that connects to the given address, sends "hi" and waits. Made
// before this process has threads.
class Puppet {
 public:
  Puppet() {
    std::array<int, 2> ends;
    EXPECT_EQ(pipe(ends.data()), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[1]);
      Live(ends[0]);
    }
    close(ends[0]);
    orders_ = ends[1];
  }
  ~Puppet() {
    close(orders_);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  void Connect(const std::string& address) {
    const sockaddr_in to = ToSockaddr(address);
    EXPECT_EQ(write(orders_, &to, sizeof(to)),
              static_cast<ssize_t>(sizeof(to)));
  }
  void Kill() { kill(pid_, SIGKILL); }

 private:
  [[noreturn]] static void Live(int orders) {
    sockaddr_in to;
    while (read(orders, &to, sizeof(to)) == static_cast<ssize_t>(sizeof(to))) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) ==
          0) {
        (void)!write(fd, "hi", 2);
      }
    }
    _exit(0);
  }
  pid_t pid_;
  int orders_;
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_TESTING_PEERS_H_

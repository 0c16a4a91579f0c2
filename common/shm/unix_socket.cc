#include "common/shm/unix_socket.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434  // Linux 5.3; the same on all machines.
#endif

namespace ebb::shm {

namespace {

constexpr size_t kMostMessageBytes = 512;
constexpr size_t kMostFds = 4;
constexpr int kBacklog = 64;

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

// A name that begins with a zero byte is in the abstract namespace: it has no
// file, and goes with the socket.
socklen_t AddressOf(const std::string& name, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  const size_t n = std::min(name.size(), sizeof(address->sun_path) - 1);
  std::memcpy(address->sun_path + 1, name.data(), n);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + n);
}

Fd NewSocket() {
  // Messages arrive whole.
  return Fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool Polls(int fd, short events, absl::Duration limit) {  // NOLINT: poll's.
  pollfd one = {.fd = fd, .events = events, .revents = 0};
  const int n =
      TEMP_FAILURE_RETRY(poll(&one, 1,
                              static_cast<int>(absl::ToInt64Milliseconds(
                                  std::min(limit, absl::Minutes(1))))));
  return n > 0;
}

}  // namespace

std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::string RandomBytes(int bytes) {
  std::string random(bytes, '\0');
  if (getrandom(random.data(), random.size(), 0) !=
      static_cast<ssize_t>(random.size())) {
    std::abort();
  }
  return random;
}

absl::StatusOr<Fd> ListenLocally(const std::string& name) {
  Fd fd = NewSocket();
  sockaddr_un address;
  const socklen_t size = AddressOf(name, &address);
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    return Failed("a local socket cannot be listened at");
  }
  return fd;
}

absl::StatusOr<Fd> AcceptLocally(int listening) {
  Fd fd(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return Failed("nobody connected");
  return fd;
}

absl::StatusOr<Fd> ConnectLocally(const std::string& name) {
  Fd fd = NewSocket();
  sockaddr_un address;
  const socklen_t size = AddressOf(name, &address);
  if (!fd ||
      connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
    return Failed("the server's local socket cannot be reached");
  }
  return fd;
}

absl::StatusOr<Peer> PeerOfSameUser(int socket) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return Failed("the other process's user is unknown");
  }
  if (credentials.uid != geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the other process is of user ", credentials.uid,
                     ", this one of ", geteuid()));
  }
  Peer peer = {.pid = credentials.pid, .process = {}};
  if (peer.pid > 0) {
    peer.process = Fd(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
  }
  return peer;
}

bool HasEnded(const Peer& peer) {
  pollfd process = {.fd = peer.process.get(), .events = POLLIN, .revents = 0};
  return poll(&process, 1, /*timeout=*/0) > 0 &&
         (process.revents & POLLIN) != 0;
}

bool IsGone(int socket, const Peer& peer) {
  pollfd connection = {.fd = socket, .events = POLLRDHUP, .revents = 0};
  const bool closed =
      poll(&connection, 1, /*timeout=*/0) > 0 &&
      (connection.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
  return closed || HasEnded(peer);
}

void Disconnect(int socket) { shutdown(socket, SHUT_RDWR); }

absl::Status SendMessage(int socket, absl::string_view bytes,
                         std::initializer_list<int> fds) {
  iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))>
      control{};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fds.size() > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.begin(), fds.size() * sizeof(int));
  }
  if (sendmsg(socket, &message, MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size())) {
    return Failed("the other process cannot be told");
  }
  return absl::OkStatus();
}

absl::StatusOr<Message> ReceiveMessage(int socket, absl::Duration limit) {
  if (!Polls(socket, POLLIN, limit)) {
    return absl::UnavailableError("the other process is silent");
  }
  Message received;
  received.bytes.resize(kMostMessageBytes);
  iovec part = {received.bytes.data(), received.bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))>
      control{};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  for (cmsghdr* head = n < 0 ? nullptr : CMSG_FIRSTHDR(&message);
       head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
      received.fds.emplace_back(fd);
    }
  }
  if (n <= 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::UnavailableError("the other process is gone");
  }
  received.bytes.resize(static_cast<size_t>(n));
  return received;
}

}  // namespace ebb::shm

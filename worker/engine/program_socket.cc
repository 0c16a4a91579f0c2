#include "worker/engine/program_socket.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/engine/messages.h"

namespace ebb::worker {

namespace {

// More lines than a program reads in a while are not worth its answers' room.
constexpr int kMostToldBytes = 32 << 10;

absl::Status SocketError(absl::string_view call) {
  return absl::InvalidArgumentError(
      absl::StrCat(call, ": ", std::strerror(errno)));
}

// The file of a message that was received into `message`; the rest is closed.
Fd FileOf(msghdr* message) {
  Fd file;
  for (cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr;
       part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      file = Fd(fd);
    }
  }
  return file;
}

}  // namespace

ProgramSocket::ProgramSocket(Fd socket, Fd death, pid_t program)
    : socket_(std::move(socket)),
      death_(std::move(death)),
      program_(program),
      buffer_(kMostMessageBytes) {}

absl::StatusOr<ProgramSocket> ProgramSocket::Open(int fd) {
  Fd socket(fd);
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    return SocketError("--serve");
  }
  if (type != SOCK_SEQPACKET) {
    return absl::InvalidArgumentError("--serve: not a SOCK_SEQPACKET socket");
  }
  // The process that made the pair.
  ucred credentials = {};
  size = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return SocketError("--serve");
  }
  return Of(std::move(socket), credentials.pid);
}

absl::StatusOr<ProgramSocket> ProgramSocket::Of(Fd socket, pid_t program) {
  Fd death(static_cast<int>(syscall(SYS_pidfd_open, program, /*flags=*/0)));
  if (!death) return SocketError("--serve: its program");
  return ProgramSocket(std::move(socket), std::move(death), program);
}

ProgramSocket::Event ProgramSocket::Wait(int signals,
                                         absl::Duration patience) const {
  pollfd ends[] = {{socket_.get(), POLLIN, 0},
                   {death_.get(), POLLIN, 0},
                   {signals, POLLIN, 0}};
  const int timeout =
      patience == absl::InfiniteDuration()
          ? -1
          : static_cast<int>(absl::ToInt64Milliseconds(patience)) + 1;
  if (poll(ends, std::size(ends), timeout) <= 0) return Event::kNothing;
  if (ends[2].revents != 0) return Event::kSignal;  // The program's, too.
  // What it said before it died counts.
  if (ends[0].revents != 0) return Event::kMessage;
  return Event::kDeath;
}

absl::StatusOr<ProgramSocket::Received> ProgramSocket::Receive() {
  iovec place = {buffer_.data(), buffer_.size()};
  alignas(cmsghdr) std::byte control[CMSG_SPACE(4 * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const auto receive = [&] {
    return recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  };
  ssize_t got = receive();
  // The other end closed without having read all. What it sent is still there.
  if (got < 0 && errno == ECONNRESET) got = receive();
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      return absl::UnavailableError("there is no message");
    }
    return absl::CancelledError(std::strerror(errno));
  }
  Received received = {{buffer_.data(), static_cast<size_t>(got)},
                       FileOf(&message)};
  if (got == 0) return absl::CancelledError("the program closed its end");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::InvalidArgumentError("a message is too long");
  }
  return received;
}

void ProgramSocket::Send(absl::string_view message) const { Send(message, -1); }

void ProgramSocket::Send(absl::string_view message, int file) const {
  iovec text = {const_cast<char*>(message.data()), message.size()};
  alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(int))] = {};
  msghdr packet = {};
  packet.msg_iov = &text;
  packet.msg_iovlen = 1;
  if (file >= 0) {
    packet.msg_control = control;
    packet.msg_controllen = sizeof(control);
    cmsghdr* const part = CMSG_FIRSTHDR(&packet);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &file, sizeof(file));
  }
  for (;;) {
    const ssize_t sent =
        sendmsg(socket_.get(), &packet, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return;
    if (errno != EAGAIN && errno != EINTR) return;
    pollfd ends[] = {{socket_.get(), POLLOUT, 0}, {death_.get(), POLLIN, 0}};
    poll(ends, std::size(ends), /*timeout=*/-1);
    if (ends[1].revents != 0) return;
  }
}

void ProgramSocket::Tell(absl::string_view message) const {
  int waiting = 0;
  if (ioctl(socket_.get(), SIOCOUTQ, &waiting) != 0) return;
  if (waiting > kMostToldBytes) return;
  send(socket_.get(), message.data(), message.size(),
       MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace ebb::worker

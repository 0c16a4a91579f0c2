#include "tools/chaos/internal/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ebb::chaos {

namespace {

// After so many bytes it is others' turn.
constexpr int64_t kTurnBytes = 1 << 20;

}  // namespace

Connection::Connection(Fd opener, LinkWay* from_opener, LinkWay* from_daemon)
    : ends_{End(from_daemon), End(from_opener)} {
  ends_[kOpener].socket = std::move(opener);
}

void Connection::MoveToLink(LinkWay* from_opener, LinkWay* from_daemon) {
  ends_[kOpener].into.Move(from_daemon);
  ends_[kDaemon].into.Move(from_opener);
}

void Connection::Connect(Fd daemon, absl::Time now) {
  led_ = true;
  End& end = ends_[kDaemon];
  end.socket = std::move(daemon);
  end.connecting = end.socket.get() >= 0;
  if (end.connecting) return;
  end.read_all = true;
  Break(&end, now);
}

void Connection::OnEvents(Side side, uint32_t events, absl::Time now) {
  End& end = ends_[side];
  if (end.socket.get() < 0) return;
  if (end.connecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    end.connecting = false;
    if (ConnectError(end.socket.get()) != 0) {
      end.read_all = true;
      Break(&end, now);
      return;
    }
  }
  end.readable |= (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
  end.writable |= (events & EPOLLOUT) != 0;
  end.failed |= (events & EPOLLERR) != 0;
}

// A reset may be found by a write, while there is still something to read: then
// reading goes on, and finds the end.
void Connection::Break(End* end, absl::Time now) {
  end->broken = true;
  end->into.Clear();
  end->again = absl::InfiniteFuture();
  if (end->read_all) {
    Other(*end).into.PutEnd(ShapedPipe::End::kReset, now);
  } else {
    end->readable = true;
  }
}

bool Connection::Read(End* end, absl::Time now, std::span<char> scratch) {
  if (end->socket.get() < 0 || end->connecting) return false;
  if (end->read_all) {
    if (!end->failed || end->broken) return false;
    Break(end, now);  // A reset after its last byte.
    return true;
  }
  End& other = Other(*end);
  int64_t room = other.into.Room();
  if (other.broken) room = split() ? 0 : static_cast<int64_t>(scratch.size());
  if (!end->readable || room <= 0) return false;
  const ssize_t n =
      recv(end->socket.get(), scratch.data(),
           std::min(scratch.size(), static_cast<size_t>(room)), 0);
  if (n > 0) {
    moved_ += n;
    if (!other.broken) {
      other.into.Put({scratch.data(), static_cast<size_t>(n)}, now);
    }
  } else if (n == 0) {
    end->read_all = true;
    other.into.PutEnd(
        end->broken ? ShapedPipe::End::kReset : ShapedPipe::End::kFin, now);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    end->readable = false;
  } else if (errno != EINTR) {
    end->read_all = true;
    Break(end, now);
  }
  return true;
}

bool Connection::Write(End* end, absl::Time now) {
  end->again = absl::InfiniteFuture();
  if (end->socket.get() < 0 || end->connecting || end->broken) return false;
  const ShapedPipe::Out out = end->into.Ready(now);
  end->again = out.again;
  if (out.end == ShapedPipe::End::kReset) {
    over_ = true;
    ResetConnection(std::move(end->socket));
    return false;
  }
  if (out.end == ShapedPipe::End::kFin) {
    shutdown(end->socket.get(), SHUT_WR);
    end->into.TakeEnd();
    end->told_fin = true;
    return true;
  }
  if (out.bytes.empty() || !end->writable) return false;
  const ssize_t n =
      send(end->socket.get(), out.bytes.data(), out.bytes.size(), MSG_NOSIGNAL);
  if (n > 0) {
    moved_ += n;
    end->into.Take(n);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    end->writable = false;
  } else if (errno != EINTR) {
    Break(end, now);
  }
  return true;
}

bool Connection::IsOver() const {
  const End& opener = ends_[kOpener];
  const End& daemon = ends_[kDaemon];
  if (over_ || (opener.told_fin && daemon.told_fin)) return true;
  if (opener.broken && daemon.broken) return true;
  // Over a network that is split it would never have come to be, and its opener
  // does not wait for that. Keeping the sockets of all that try in vain would
  // take all there are.
  return opener.read_all && !led_ && split();
}

std::optional<absl::Time> Connection::Advance(absl::Time now,
                                              std::span<char> scratch) {
  moved_ = 0;
  for (bool more = true; more && moved_ < kTurnBytes;) {
    more = false;
    for (End& end : ends_) {
      more |= Read(&end, now, scratch);
      more |= Write(&Other(end), now);
    }
    if (IsOver()) {
      if (!led_) Reset();
      return std::nullopt;
    }
  }
  if (moved_ >= kTurnBytes) return now;
  return std::min(ends_[0].again, ends_[1].again);
}

void Connection::Reset() {
  for (End& end : ends_) {
    if (end.socket.get() >= 0) ResetConnection(std::move(end.socket));
  }
}

}  // namespace ebb::chaos

#include "rpc/internal/bulk_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "rpc/internal/tcp_socket.h"

namespace ebb::rpc::internal {

namespace {

class PlainSocket : public BulkSocket {
 public:
  explicit PlainSocket(Fd socket) : socket_(std::move(socket)) {}

  int fd() const override { return socket_.get(); }

  absl::StatusOr<size_t> Read(std::span<const iovec> to) override {
    msghdr message = Message(to);
    const ssize_t n = recvmsg(socket_.get(), &message, MSG_DONTWAIT);
    if (n == 0) return absl::OutOfRangeError("it closed the connection");
    return Moved(n);
  }

  void Await(uint64_t bytes) override {
    low_water_.Set(socket_.get(), std::min(bytes, kMostAwaited));
  }

  absl::StatusOr<size_t> Write(std::span<const iovec> from) override {
    const msghdr message = Message(from);
    const ssize_t n =
        sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) sent_bytes_ += static_cast<uint64_t>(n);
    return Moved(n);
  }

  bool Unsent() const override { return false; }
  uint64_t sent_bytes() const override { return sent_bytes_; }

 private:
  static msghdr Message(std::span<const iovec> parts) {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
    return message;
  }
  static absl::StatusOr<size_t> Moved(ssize_t n) {
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return 0;
    return absl::UnavailableError(std::strerror(errno));
  }

  const Fd socket_;
  TcpLowWater low_water_;
  uint64_t sent_bytes_ = 0;
};

}  // namespace

std::unique_ptr<BulkSocket> MakePlainSocket(Fd socket) {
  return std::make_unique<PlainSocket>(std::move(socket));
}

absl::Status SendAll(BulkSocket* socket, absl::string_view bytes) {
  const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  EBB_ASSIGN_OR_RETURN(const size_t n, socket->Write({&part, 1}));
  if (n == bytes.size()) return absl::OkStatus();
  return absl::UnavailableError("the other side does not take the greeting");
}

absl::Status ReceiveAll(BulkSocket* socket, char* bytes, size_t size,
                        absl::Time end, int cancel) {
  for (size_t got = 0; got < size;) {
    const iovec space = {bytes + got, size - got};
    const absl::StatusOr<size_t> n = socket->Read({&space, 1});
    if (!n.ok()) {
      return absl::UnavailableError(
          absl::StrCat("there is no greeting: ", n.status().message()));
    }
    got += *n;
    if (*n == 0 && !AwaitTcp(socket->fd(), /*write=*/false, end, cancel)) {
      return absl::UnavailableError("there is no greeting in time");
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::rpc::internal

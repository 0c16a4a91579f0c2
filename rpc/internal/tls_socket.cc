#include "rpc/internal/tls_socket.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "rpc/internal/tcp_socket.h"
#include "rpc/internal/tls_context.h"

namespace ebb::rpc::internal {

namespace {

// Encrypted bytes that are read at once. They should stay in a core's cache.
constexpr size_t kTlsReadBytes = size_t{64} << 10;
// Bytes that are encrypted and written before the other thread has its turn.
constexpr size_t kTlsWriteTurn = size_t{32} << 10;
// Bytes that are decrypted before that.
constexpr size_t kTlsReadTurn = size_t{128} << 10;
// The most that OpenSSL writes without a write of ours: answers to the other
// side's messages about keys.
constexpr size_t kMostFreshBytes = 4 * kTlsWriteTurn;
// A record that is not complete, which OpenSSL holds when it can read no more.
constexpr uint64_t kMostHeldBytes = uint64_t{32} << 10;

class ABSL_SCOPED_LOCKABLE FairLock {
 public:
  FairLock(Mutex* next, Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) {
    MutexLock lock(next);
    mu->Lock();
  }
  ~FairLock() ABSL_UNLOCK_FUNCTION() { mu_->Unlock(); }
  FairLock(const FairLock&) = delete;
  FairLock& operator=(const FairLock&) = delete;

 private:
  Mutex* const mu_;
};

}  // namespace

// OpenSSL calls both within a call of ours, with mu_ held.
ABSL_NO_THREAD_SAFETY_ANALYSIS int ReadTlsBytes(BIO* bio, char* bytes,
                                                int size) {
  auto* const self = static_cast<TlsSocket*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t n =
      recv(self->socket_.get(), bytes, static_cast<size_t>(size), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_read(bio);
  }
  if (n == 0) self->at_end_ = true;
  return static_cast<int>(n);
}

ABSL_NO_THREAD_SAFETY_ANALYSIS int WriteTlsBytes(BIO* bio, const char* bytes,
                                                 int size) {
  auto* const self = static_cast<TlsSocket*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self->fresh_.size() > kMostFreshBytes) return -1;
  self->fresh_.insert(self->fresh_.end(), bytes, bytes + size);
  return size;
}

namespace {

long ControlTlsBytes(BIO*, int command, long, void*) {  // NOLINT: OpenSSL's.
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int CreateTlsBytes(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// Never freed: connections may be there until the process ends.
BIO_METHOD* TlsBytes() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ebb bulk");
    if (made == nullptr) return made;
    BIO_meth_set_read(made, &ReadTlsBytes);
    BIO_meth_set_write(made, &WriteTlsBytes);
    BIO_meth_set_ctrl(made, &ControlTlsBytes);
    BIO_meth_set_create(made, &CreateTlsBytes);
    return made;
  }();
  return method;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsSocket>> TlsSocket::Make(
    Fd socket, std::shared_ptr<SSL_CTX> context, Side side,
    uint64_t key_bytes) {
  auto made = std::make_unique<TlsSocket>(std::move(socket), std::move(context),
                                          key_bytes);
  ERR_clear_error();
  MutexLock lock(&made->mu_);
  made->ssl_ = SSL_new(made->context_.get());
  BIO* const bio = TlsBytes() == nullptr ? nullptr : BIO_new(TlsBytes());
  if (made->ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return absl::ResourceExhaustedError(
        TlsError("OpenSSL cannot make a connection", nullptr));
  }
  BIO_set_data(bio, made.get());
  SSL_set_bio(made->ssl_, bio, bio);
  SSL_set_read_ahead(made->ssl_, 1);
  SSL_set_default_read_buffer_len(made->ssl_, kTlsReadBytes);
  if (side == Side::kServer) {
    SSL_set_accept_state(made->ssl_);
  } else {
    SSL_set_connect_state(made->ssl_);
  }
  return made;
}

TlsSocket::TlsSocket(Fd socket, std::shared_ptr<SSL_CTX> context,
                     uint64_t key_bytes)
    : socket_(std::move(socket)),
      context_(std::move(context)),
      key_bytes_(key_bytes) {}

TlsSocket::~TlsSocket() {
  MutexLock lock(&mu_);
  SSL_free(ssl_);
}

absl::StatusOr<TlsSocket::Step> TlsSocket::Handshake() {
  EBB_RETURN_IF_ERROR(SendOut());
  if (Unsent()) return Step::kAwaitsWrite;
  absl::Status failed;
  bool done = false;
  {
    MutexLock lock(&mu_);
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    done = result == 1;
    if (!done && SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) {
      failed = at_end_ ? absl::PermissionDeniedError(
                             "the other side closed the connection in the "
                             "midst of the TLS handshake")
                       : absl::PermissionDeniedError(
                             TlsError("the TLS handshake failed", ssl_));
    }
    TakeFreshLocked();
  }
  // Also what tells the other side why it failed.
  const absl::Status sent = SendOut();
  EBB_RETURN_IF_ERROR(failed);
  EBB_RETURN_IF_ERROR(sent);
  // What is left of it goes before what is written.
  if (done) return Step::kDone;
  return Unsent() ? Step::kAwaitsWrite : Step::kAwaitsRead;
}

absl::Status TlsSocket::FinishHandshake(absl::Time end, int cancel) {
  while (true) {
    EBB_ASSIGN_OR_RETURN(const Step step, Handshake());
    if (step == Step::kDone) return absl::OkStatus();
    if (!AwaitTcp(fd(), step == Step::kAwaitsWrite, end, cancel)) {
      return absl::UnavailableError("the TLS handshake did not end in time");
    }
  }
}

absl::StatusOr<Certificate> TlsSocket::Peer() {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(BIO_new(BIO_s_mem()),
                                                 &BIO_free);
  {
    MutexLock lock(&mu_);
    const X509* const shown = SSL_get0_peer_certificate(ssl_);
    if (text == nullptr || shown == nullptr ||
        PEM_write_bio_X509(text.get(), shown) != 1) {
      return absl::PermissionDeniedError("it shows no certificate");
    }
  }
  char* pem = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &pem);
  return ReadCertificate({pem, static_cast<size_t>(size)});
}

absl::StatusOr<size_t> TlsSocket::Read(std::span<const iovec> to) {
  size_t all = 0;
  for (const iovec& space : to) {
    for (size_t at = 0; at < space.iov_len;) {
      const size_t turn = std::min(space.iov_len, at + kTlsReadTurn);
      const FairLock lock(&next_, &mu_);
      EBB_RETURN_IF_ERROR(read_error_);
      while (at < turn) {
        size_t n = 0;
        ERR_clear_error();
        const int result = SSL_read_ex(
            ssl_, static_cast<char*>(space.iov_base) + at, turn - at, &n);
        if (result == 1) {
          at += n;
          all += n;
          continue;
        }
        if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return all;
        read_error_ = at_end_
                          ? absl::OutOfRangeError("it closed the connection")
                          : absl::UnavailableError(TlsError("TLS", ssl_));
        // The bytes before it count.
        if (all > 0) return all;
        return read_error_;
      }
    }
  }
  return all;
}

void TlsSocket::Await(uint64_t bytes) {
  const uint64_t unread = bytes > kMostHeldBytes ? bytes - kMostHeldBytes : 0;
  low_water_.Set(socket_.get(), std::min(unread, kMostAwaited));
}

absl::StatusOr<size_t> TlsSocket::Write(std::span<const iovec> from) {
  EBB_RETURN_IF_ERROR(SendOut());
  if (Unsent()) return 0;
  EBB_ASSIGN_OR_RETURN(const size_t taken, Encrypt(from));
  EBB_RETURN_IF_ERROR(SendOut());
  return taken;
}

absl::StatusOr<size_t> TlsSocket::Encrypt(std::span<const iovec> from) {
  size_t all = 0;
  const FairLock lock(&next_, &mu_);
  for (const iovec& part : from) {
    for (size_t at = 0; at < part.iov_len && all < kTlsWriteTurn;) {
      size_t n = 0;
      ERR_clear_error();
      if (SSL_write_ex(ssl_, static_cast<const char*>(part.iov_base) + at,
                       std::min(part.iov_len - at, kTlsWriteTurn - all),
                       &n) != 1) {
        return absl::UnavailableError(TlsError("TLS", ssl_));
      }
      at += n;
      all += n;
    }
    if (all == kTlsWriteTurn) break;
  }
  with_this_key_ += all;
  if (with_this_key_ >= key_bytes_) {
    with_this_key_ = 0;
    if (SSL_key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
        SSL_do_handshake(ssl_) != 1) {
      return absl::UnavailableError(TlsError("TLS has no new key", ssl_));
    }
  }
  TakeFreshLocked();
  return all;
}

void TlsSocket::TakeFreshLocked() {
  // All of it was sent.
  out_.clear();
  out_begin_ = 0;
  out_.swap(fresh_);
}

absl::Status TlsSocket::SendOut() {
  while (Unsent()) {
    const ssize_t n =
        send(socket_.get(), out_.data() + out_begin_, out_.size() - out_begin_,
             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) return absl::UnavailableError(std::strerror(errno));
    out_begin_ += static_cast<size_t>(n);
    sent_bytes_ += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace ebb::rpc::internal

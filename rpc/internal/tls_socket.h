// TLS on a TCP connection of our own, by OpenSSL.
//
// Its records have 16 KiB at most, but the system gets and gives many of them
// at once: each call of it would cost as much as a record's encryption.
#ifndef EBB_RPC_INTERNAL_TLS_SOCKET_H_
#define EBB_RPC_INTERNAL_TLS_SOCKET_H_

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/mutex.h"
#include "common/tls/certificate.h"
#include "rpc/internal/bulk_socket.h"
#include "rpc/internal/tcp_socket.h"

namespace ebb::rpc::internal {

class TlsSocket : public BulkSocket {
 public:
  enum class Side { kClient, kServer };
  // AES-GCM must not encrypt more than 2^24.5 records with one key (RFC 8446,
  // 5.5): a new one comes long before that.
  static constexpr uint64_t kKeyBytes = uint64_t{64} << 30;

  // The socket is connected; Handshake() comes first. A new key encrypts after
  // every `key_bytes`.
  static absl::StatusOr<std::unique_ptr<TlsSocket>> Make(
      Fd socket, std::shared_ptr<SSL_CTX> context, Side side,
      uint64_t key_bytes = kKeyBytes);
  // Use Make().
  TlsSocket(Fd socket, std::shared_ptr<SSL_CTX> context, uint64_t key_bytes);
  ~TlsSocket() override;
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  // Goes on with it. PermissionDenied: it failed, for a reason that the message
  // has, and the other side was told. One thread's, before all else.
  enum class Step { kDone, kAwaitsRead, kAwaitsWrite };
  absl::StatusOr<Step> Handshake();
  // The same to its end. Blocks until `end`, or until `cancel` can be read:
  // Unavailable.
  absl::Status FinishHandshake(absl::Time end, int cancel);
  // The certificate that the other side has shown. After the handshake.
  absl::StatusOr<Certificate> Peer();

  int fd() const override { return socket_.get(); }
  absl::StatusOr<size_t> Read(std::span<const iovec> to) override;
  void Await(uint64_t bytes) override;
  absl::StatusOr<size_t> Write(std::span<const iovec> from) override;
  bool Unsent() const override { return out_begin_ < out_.size(); }
  uint64_t sent_bytes() const override { return sent_bytes_; }

 private:
  friend int ReadTlsBytes(BIO* bio, char* bytes, int size);
  friend int WriteTlsBytes(BIO* bio, const char* bytes, int size);

  // Gives the system what was encrypted, as much as it takes.
  absl::Status SendOut();
  // Encrypts as much as one turn has.
  absl::StatusOr<size_t> Encrypt(std::span<const iovec> from);
  void TakeFreshLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Fd socket_;
  const std::shared_ptr<SSL_CTX> context_;
  const uint64_t key_bytes_;
  TcpLowWater low_water_;  // The reading thread's.

  // OpenSSL's object is of one thread at a time. A thread that waits for mu_
  // holds next_, so that one that takes it again and again lets it in.
  Mutex next_;
  Mutex mu_ ABSL_ACQUIRED_AFTER(next_);
  SSL* ssl_ ABSL_GUARDED_BY(mu_) = nullptr;
  // Holds what it has encrypted, until the writing thread takes it.
  std::vector<char> fresh_ ABSL_GUARDED_BY(mu_);
  bool at_end_ ABSL_GUARDED_BY(mu_) = false;  // The other side has closed.
  absl::Status read_error_ ABSL_GUARDED_BY(mu_);

  // The writing thread's.
  std::vector<char> out_;
  size_t out_begin_ = 0;  // The first byte that the system has not.
  uint64_t sent_bytes_ = 0;
  uint64_t with_this_key_ = 0;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_TLS_SOCKET_H_

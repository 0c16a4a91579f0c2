#include "bench/plane/raw_wire.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::bench {

RawWire::~RawWire() {
  tls_.reset();
  close(fd_);
}

absl::Status RawWire::StartTls(const TlsFiles& files, bool server) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(
      SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  SSL_CTX* const c = context.get();
  if (c == nullptr || SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(c, kRawCipher) != 1 ||
      SSL_CTX_use_certificate_chain_file(c, files.certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(c, files.key.c_str(), SSL_FILETYPE_PEM) !=
          1 ||
      SSL_CTX_load_verify_file(c, files.authority.c_str()) != 1) {
    return absl::InvalidArgumentError("the raw socket's TLS cannot be set up");
  }
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  SSL_CTX_set_num_tickets(c, 0);
  // Reads what there is, not a record's head and then its rest.
  SSL_CTX_set_read_ahead(c, 1);
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls(SSL_new(c), &SSL_free);
  if (tls == nullptr || SSL_set_fd(tls.get(), fd_) != 1 ||
      (server ? SSL_accept(tls.get()) : SSL_connect(tls.get())) != 1) {
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    return absl::UnavailableError(
        absl::StrCat("the raw socket's TLS handshake failed: ",
                     reason == nullptr ? "no reason given" : reason));
  }
  tls_ = std::move(tls);
  return absl::OkStatus();
}

bool RawWire::ReadAll(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    if (tls_ != nullptr) {
      size_t n = 0;
      if (SSL_read_ex(tls_.get(), bytes.data(), bytes.size(), &n) != 1) {
        return false;
      }
      bytes = bytes.subspan(n);
      continue;
    }
    const ssize_t n = recv(fd_, bytes.data(), bytes.size(), MSG_WAITALL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(n);
  }
  return true;
}

bool RawWire::WriteAll(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (tls_ != nullptr) {
      size_t n = 0;
      if (SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &n) != 1) {
        return false;
      }
      bytes = bytes.subspan(n);
      continue;
    }
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(n);
  }
  return true;
}

}  // namespace ebb::bench

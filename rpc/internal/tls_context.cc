#include "rpc/internal/tls_context.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace ebb::rpc::internal {

namespace {

// gRPC reads as often (grpc_security.cc).
constexpr absl::Duration kReadAgain = absl::Seconds(1);
// The fastest first, as in gRPC's connections.
constexpr char kTlsCiphers[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_"
    "SHA256";

// For a key with a password, which OpenSSL would ask for at the terminal.
int NoKeyPassword(char*, int, int, void*) { return -1; }

absl::StatusOr<std::shared_ptr<SSL_CTX>> ReadContext(const TlsFiles& files) {
  const auto failed = [](absl::string_view what) {
    return absl::InvalidArgumentError(TlsError(what, nullptr));
  };
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  if (context == nullptr) return failed("OpenSSL has no TLS");
  SSL_CTX* const c = context.get();
  SSL_CTX_set_default_passwd_cb(c, &NoKeyPassword);
  if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(c, kTlsCiphers) != 1) {
    return failed("OpenSSL has no TLS 1.3");
  }
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(c, 0);
  SSL_CTX_set_mode(
      c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  if (SSL_CTX_use_certificate_chain_file(c, files.certificate.c_str()) != 1) {
    return failed("--tls-cert cannot be used");
  }
  if (SSL_CTX_use_PrivateKey_file(c, files.key.c_str(), SSL_FILETYPE_PEM) !=
          1 ||
      SSL_CTX_check_private_key(c) != 1) {
    return failed("--tls-key cannot be used");
  }
  if (SSL_CTX_load_verify_file(c, files.authority.c_str()) != 1) {
    return failed("--tls-ca cannot be used");
  }
  return context;
}

}  // namespace

absl::StatusOr<std::shared_ptr<SSL_CTX>> TlsContext::Get() {
  const absl::Time now = absl::Now();
  MutexLock lock(&mu_);
  if (now - read_ >= kReadAgain || now < read_) {
    auto context = ReadContext(files_);
    if (!context.ok() && context_ == nullptr) return context.status();
    if (context.ok()) context_ = *std::move(context);
    read_ = now;
  }
  return context_;
}

std::string TlsError(absl::string_view what, const SSL* ssl) {
  const auto error = ERR_peek_last_error();
  const char* const reason =
      error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  std::string text =
      absl::StrCat(what, ": ", reason == nullptr ? "no reason given" : reason);
  if (ssl == nullptr) return text;
  const auto verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    absl::StrAppend(&text, " (", X509_verify_cert_error_string(verified), ")");
  }
  return text;
}

}  // namespace ebb::rpc::internal

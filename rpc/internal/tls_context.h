// OpenSSL's context of a process that proves its identity by files: for TLS on
// sockets of our own, with the checks of gRPC's connections (security.h).
#ifndef EBB_RPC_INTERNAL_TLS_CONTEXT_H_
#define EBB_RPC_INTERNAL_TLS_CONTEXT_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/tls/tls_settings.h"

namespace ebb::rpc::internal {

// TLS 1.3 alone, since both sides are ebb's. Both sides show a certificate that
// the other's authority signed. No session is resumed, so every connection
// checks certificates.
//
// Thread-safe.
class TlsContext {
 public:
  explicit TlsContext(TlsFiles files) : files_(std::move(files)) {}

  // For a new connection, of either side. Reads the files again, once in a
  // second at most. If they cannot be used any more, the last ones that could
  // count, as with gRPC. InvalidArgument: they never could.
  absl::StatusOr<std::shared_ptr<SSL_CTX>> Get();

 private:
  const TlsFiles files_;
  Mutex mu_;
  absl::Time read_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  std::shared_ptr<SSL_CTX> context_ ABSL_GUARDED_BY(mu_);
};

// Returns what OpenSSL says about the last call of this thread that failed, and
// forgets it; `ssl` null: the call was not about a connection.
std::string TlsError(absl::string_view what, const SSL* ssl);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_TLS_CONTEXT_H_

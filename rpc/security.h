// How a process proves its identity to the others, and which identities it
// accepts: mutual TLS (docs/security.md), or plain text.
//
//   EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
//                        rpc::Security::Create(flags.tls, {Role::kWorker}));
//   rpc::GrpcTransport transport(network, received_bytes, security);
//
// Both sides show a certificate that the other's authority signed. A server
// looks up what the role in it may call (rpc_roles.h); a client speaks only to
// a certificate of the role that it looks for. Host names are not compared.
// The files are read again when they change; connections that are there stay.
#ifndef EBB_RPC_SECURITY_H_
#define EBB_RPC_SECURITY_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/tls/role.h"
#include "common/tls/tls_settings.h"
#include "rpc/job_tokens.h"
#include "rpc/key_counts.h"
#include "rpc/refusals.h"

namespace ebb::rpc {

class Security;
// Shared by the connections made with it. Null: plain text, within this
// machine.
using SecurityPtr = std::shared_ptr<const Security>;

// Thread-safe.
class Security {
 public:
  struct Grpc;

  // For a process whose certificate must be of one of the roles.
  // InvalidArgument: a mistake in the settings, or files that cannot be used
  // (certificate.h).
  static absl::StatusOr<SecurityPtr> Create(const TlsSettings& settings,
                                            RoleSet roles);
  ~Security();

  bool tls() const { return grpc_ != nullptr; }
  bool insecure() const { return insecure_; }
  // For a log: the identity in the certificate, or that it is plain text.
  const std::string& description() const { return description_; }
  // For its owner: a key that others on this machine can read. Empty: none.
  const std::string& warning() const { return warning_; }
  // Empty: plain text.
  const TlsFiles& files() const { return files_; }
  // End of the certificate in the file as it is now; absent: there is none.
  std::optional<absl::Time> CertificateEnd() const;
  // The tokens of jobs that this process shows and checks; null: plain text,
  // which tells no callers apart.
  const std::shared_ptr<JobTokens>& tokens() const { return tokens_; }
  // Counts its refusals; never null.
  const std::shared_ptr<Refusals>& refusals() const { return refusals_; }
  // How keys of pushes travelled; never null.
  const std::shared_ptr<KeyCounts>& keys() const { return keys_; }
  // gRPC's side of it; null: plain text.
  const Grpc* grpc() const { return grpc_.get(); }

 private:
  Security();

  TlsFiles files_;
  std::unique_ptr<const Grpc> grpc_;
  std::shared_ptr<JobTokens> tokens_;
  const std::shared_ptr<Refusals> refusals_ = std::make_shared<Refusals>();
  const std::shared_ptr<KeyCounts> keys_ = std::make_shared<KeyCounts>();
  bool insecure_ = false;
  std::string description_;
  std::string warning_;
};

// With neither TLS nor --insecure, a process speaks within its machine only.
bool MustStayLocal(const Security* security);
// InvalidArgument: the process must stay local, and `address` is not of this
// machine. The message says what to do.
absl::Status MayListen(const Security* security, absl::string_view address);
// The same for a peer that the process is to connect to. An unresolvable name
// comes first. Blocks while the name is looked up: for the start of a daemon.
// Later the connection itself reports it (internal/grpc_setup.h).
absl::Status MayConnect(const Security* security, absl::string_view address);
// Their InvalidArgument; `doing`: "listening at", "speaking to".
absl::Status NotInPlainText(absl::string_view doing, absl::string_view address);

// Counts connections that end in their handshake from now on, for all listeners
// of this process. gRPC reports them in its log only, which goes to the
// process's from here on. Call it once in a daemon.
void CountHandshakes(const Security& security);

// A daemon's lines about it; with --insecure it is a warning.
void LogSecurity(const Security& security);

}  // namespace ebb::rpc

#endif  // EBB_RPC_SECURITY_H_

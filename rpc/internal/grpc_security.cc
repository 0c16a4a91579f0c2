#include "rpc/internal/grpc_security.h"

#include <grpc/grpc_security_constants.h>
#include <grpc/support/log.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/tls/certificate.h"
#include "glog/logging.h"
#include "rpc/grpc_status.h"
#include "rpc/rpc_roles.h"

namespace ebb::rpc {

namespace {

using grpc::experimental::ExternalCertificateVerifier;
using grpc::experimental::FileWatcherCertificateProvider;
using grpc::experimental::TlsChannelCredentialsOptions;
using grpc::experimental::TlsCustomVerificationCheckRequest;
using grpc::experimental::TlsServerCredentialsOptions;

// Three small files: often enough for an operator who waits for a new
// certificate.
constexpr unsigned kLookAgainSeconds = 1;

absl::string_view View(grpc::string_ref text) {
  return {text.data(), text.size()};
}

absl::StatusOr<Role> RoleOf(const std::vector<grpc::string_ref>& uris) {
  std::vector<absl::string_view> views;
  views.reserve(uris.size());
  for (const grpc::string_ref& uri : uris) views.push_back(View(uri));
  return RoleOfUris(views);
}

// A client's look at the server's certificate, which the authority signed.
class RoleVerifier : public ExternalCertificateVerifier {
 public:
  explicit RoleVerifier(Role role) : role_(role) {}

  bool Verify(TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    // Not its uri_names(): they end where a NUL is.
    *status = ToGrpc(Check(ReadCertificate(View(request->peer_cert()))));
    return true;  // It is decided.
  }
  void Cancel(TlsCustomVerificationCheckRequest*) override {}

 private:
  absl::Status Check(const absl::StatusOr<Certificate>& shown) const {
    const absl::StatusOr<Role> role = shown.ok() ? shown->role : shown.status();
    if (role.ok() && *role == role_) return absl::OkStatus();
    return absl::PermissionDeniedError(absl::StrCat(
        "what answers is no ", RoleName(role_), ": ",
        role.ok()
            ? absl::StrCat("its certificate is of the role ", RoleName(*role))
            : std::string(role.status().message())));
  }

  const Role role_;
};

// A server's look at each call, whatever serves it.
class RoleGate : public grpc::AuthMetadataProcessor {
 public:
  explicit RoleGate(std::shared_ptr<Refusals> refusals)
      : refusals_(std::move(refusals)) {}

  // It only looks something up.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    const auto path = metadata.find(":path");
    const auto names = context->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
    const absl::Status may = CheckCaller(
        path == metadata.end() ? absl::string_view() : View(path->second),
        RoleOf(context->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)),
        names.empty() ? absl::string_view() : View(names.front()));
    if (!may.ok()) refusals_->Count(Refusal::kRole);
    return ToGrpc(may);
  }

 private:
  const std::shared_ptr<Refusals> refusals_;
};

}  // namespace

std::optional<Role> RoleOfCaller(const grpc::ServerContextBase& context) {
  const auto caller = context.auth_context();
  if (caller == nullptr) return std::nullopt;
  const absl::StatusOr<Role> role =
      RoleOf(caller->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME));
  if (!role.ok()) return std::nullopt;
  return *role;
}

std::string NameOfCaller(const grpc::ServerContextBase& context) {
  const auto caller = context.auth_context();
  if (caller == nullptr) return "";
  const auto shown =
      caller->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (shown.empty()) return "";
  absl::StatusOr<Certificate> certificate =
      ReadCertificate(View(shown.front()));
  return certificate.ok() ? std::move(certificate)->name : "";
}

namespace {

// gRPC has one log function for the whole process; so has this.
Refusals* log_counts = nullptr;

void CountAndLog(gpr_log_func_args* entry) {
  const absl::string_view message(entry->message);
  // ssl_transport_security.cc, of either side of a connection.
  if (absl::StartsWith(message, "Handshake failed")) {
    log_counts->Count(Refusal::kHandshake);
    // A stranger must not fill the disk: the rest is in the metric.
    LOG_EVERY_T(WARNING, 1) << "gRPC: " << message;
    return;
  }
  // chttp2_server.cc, about a port that is taken: the listener reports it
  // better.
  if (absl::StrContains(message, "No address added out of total")) {
    VLOG(1) << "gRPC: " << message;
    return;
  }
  if (entry->severity == GPR_LOG_SEVERITY_ERROR) {
    LOG(WARNING) << "gRPC: " << message;
  } else {
    LOG(INFO) << "gRPC: " << message;
  }
}

}  // namespace

void CountHandshakes(const Security& security) {
  // Kept for good: gRPC's threads may log to the end of the process.
  static const auto& kept = *new std::shared_ptr<Refusals>(security.refusals());
  log_counts = kept.get();
  gpr_set_log_function(&CountAndLog);
}

Security::Grpc::Grpc(const TlsFiles& files, std::shared_ptr<Refusals> refusals)
    : provider_(std::make_shared<FileWatcherCertificateProvider>(
          files.key, files.certificate, files.authority, kLookAgainSeconds)),
      refusals_(std::move(refusals)) {}

std::shared_ptr<grpc::ChannelCredentials> Security::Grpc::ToRole(
    Role role) const {
  TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider_);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_certificate_verifier(
      ExternalCertificateVerifier::Create<RoleVerifier>(role));
  options.set_check_call_host(false);
  return grpc::experimental::TlsCredentials(options);
}

std::shared_ptr<grpc::ServerCredentials> Security::Grpc::Server() const {
  TlsServerCredentialsOptions options(provider_);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  auto credentials = grpc::experimental::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(std::make_shared<RoleGate>(refusals_));
  return credentials;
}

}  // namespace ebb::rpc

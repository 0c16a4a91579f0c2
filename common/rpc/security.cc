#include "common/rpc/security.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/internal/grpc_security.h"
#include "common/status_macros.h"
#include "common/tls/certificate.h"
#include "glog/logging.h"

namespace ebb::rpc {

namespace {

// A group may read it: so are secrets mounted for those who are not root.
std::string WarningOf(const std::string& key) {
  struct stat info = {};
  if (stat(key.c_str(), &info) != 0 || (info.st_mode & S_IRWXO) == 0) return "";
  return absl::StrCat("--tls-key ", key,
                      " is open to all users of this machine, who can be what "
                      "its certificate says: chmod 600 it, and replace both "
                      "if others are there");
}

}  // namespace

Security::Security() = default;
Security::~Security() = default;

absl::StatusOr<SecurityPtr> Security::Create(const TlsSettings& settings,
                                             RoleSet roles) {
  EBB_RETURN_IF_ERROR(settings.Validate());
  std::shared_ptr<Security> security(new Security);
  security->insecure_ = settings.insecure;
  if (settings.files.none()) {
    security->description_ = settings.insecure
                                 ? "plain text to everybody (--insecure)"
                                 : "plain text within this machine";
    return security;
  }
  EBB_ASSIGN_OR_RETURN(const Certificate own,
                       CheckIdentity(settings.files, roles, absl::Now()));
  security->files_ = settings.files;
  security->grpc_ = std::make_unique<Grpc>(settings.files, security->refusals_);
  security->tokens_ = std::make_shared<JobTokens>();
  security->description_ =
      absl::StrCat("TLS as ", RoleName(*own.role), " \"", own.name,
                   "\", valid until ", absl::FormatTime(own.not_after));
  security->warning_ = WarningOf(settings.files.key);
  return security;
}

std::optional<absl::Time> Security::CertificateEnd() const {
  if (files_.none()) return std::nullopt;
  std::ifstream file(files_.certificate);
  const std::string pem{std::istreambuf_iterator<char>(file), {}};
  const absl::StatusOr<Certificate> own = ReadCertificate(pem);
  if (!own.ok()) return std::nullopt;
  return own->not_after;
}

absl::Status MaySpeak(const Security* security, absl::string_view address,
                      bool listens) {
  if (security != nullptr && (security->tls() || security->insecure())) {
    return absl::OkStatus();
  }
  if (IsLocalAddress(address)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      listens ? "not listening at " : "not speaking to ", address,
      " in plain text: others could read and change everything. Give "
      "--tls-cert, --tls-key and --tls-ca, or --insecure if the network is "
      "yours alone"));
}

void LogSecurity(const Security& security) {
  if (security.insecure()) {
    LOG(WARNING) << "INSECURE: --insecure: whoever reaches this process can "
                    "read and change models and jobs, and so can whoever is on "
                    "the way";
  } else {
    LOG(INFO) << "security: " << security.description();
  }
  if (!security.warning().empty()) LOG(WARNING) << security.warning();
}

}  // namespace ebb::rpc

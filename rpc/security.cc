#include "rpc/security.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "common/tls/certificate.h"
#include "glog/logging.h"
#include "rpc/internal/grpc_security.h"

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

// Blocks while the host's name is looked up. NotFound: it does not resolve.
absl::StatusOr<bool> ResolvesToLoopback(absl::string_view address) {
  std::string host(address.substr(0, address.rfind(':')));
  if (host.size() > 2 && host.front() == '[') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, nullptr, &found);
  if (error != 0) {
    return absl::NotFoundError(absl::StrCat(
        "the name ", host, " does not resolve: ", gai_strerror(error)));
  }
  bool loopback = true;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[INET6_ADDRSTRLEN] = "";
    getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), nullptr, 0,
                NI_NUMERICHOST);
    loopback = loopback && IsLocalAddress(one->ai_family == AF_INET6
                                              ? absl::StrCat("[", text, "]:1")
                                              : absl::StrCat(text, ":1"));
  }
  freeaddrinfo(found);
  return loopback;
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
                                 ? "plain text to every machine (--insecure)"
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

bool MustStayLocal(const Security* security) {
  return security == nullptr || !(security->tls() || security->insecure());
}

absl::Status MayListen(const Security* security, absl::string_view address) {
  if (!MustStayLocal(security) || IsLocalAddress(address)) {
    return absl::OkStatus();
  }
  return NotInPlainText("listening at", address);
}

absl::Status MayConnect(const Security* security, absl::string_view address) {
  if (!MustStayLocal(security) || IsLocalAddress(address)) {
    return absl::OkStatus();
  }
  const absl::StatusOr<bool> loopback = ResolvesToLoopback(address);
  if (loopback.ok()) {
    return *loopback ? absl::OkStatus()
                     : NotInPlainText("speaking to", address);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      loopback.status().message(),
      ". When it does: ", NotInPlainText("speaking to", address).message()));
}

absl::Status NotInPlainText(absl::string_view doing,
                            absl::string_view address) {
  return absl::InvalidArgumentError(absl::StrCat(
      "not ", doing, " ", address,
      " in plain text: others could read and change everything. Give "
      "--tls-cert, --tls-key and --tls-ca, or --insecure if the network is "
      "yours alone"));
}

void LogSecurity(const Security& security) {
  if (security.insecure()) {
    LOG(WARNING) << "INSECURE: --insecure: every process that reaches this one "
                    "can read and change models and jobs, and so can every "
                    "machine on the way";
  } else {
    LOG(INFO) << "security: " << security.description();
  }
  if (!security.warning().empty()) LOG(WARNING) << security.warning();
}

}  // namespace ebb::rpc

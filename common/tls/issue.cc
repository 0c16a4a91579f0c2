#include "common/tls/issue.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "common/tls/internal/openssl.h"

namespace ebb {

namespace {

using tls_internal::BioPtr;
using tls_internal::ExtensionPtr;
using tls_internal::KeyPtr;
using tls_internal::ReadNextCertificate;
using tls_internal::ReadPrivateKey;
using tls_internal::TimeOf;
using tls_internal::ToBio;
using tls_internal::X509Ptr;

constexpr absl::Duration kClocksBehind = absl::Hours(1);
constexpr size_t kMostName = 64;   // In a common name (RFC 5280, A.1).
constexpr size_t kMostHost = 253;  // In a DNS name (RFC 1035, 2.3.4),
constexpr size_t kMostLabel = 63;  // between its dots.

absl::Status Failed(absl::string_view what) {
  ERR_clear_error();
  return absl::InternalError(absl::StrCat("OpenSSL cannot make ", what));
}

bool Plain(absl::string_view text, size_t most, absl::string_view others) {
  return !text.empty() && text.size() <= most &&
         std::ranges::all_of(text, [&](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  others.find(c) != absl::string_view::npos;
         });
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);  // NOLINT(google-runtime-int)
  return {data, static_cast<size_t>(size)};
}

absl::StatusOr<Identity> ToPem(X509* certificate, EVP_PKEY* key) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  const BioPtr secret(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(out.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key, nullptr, nullptr, 0, nullptr,
                               nullptr) != 1) {
    return Failed("PEM");
  }
  return Identity{Contents(out.get()), Contents(secret.get())};
}

absl::Status Extend(X509* certificate, X509* issuer, int nid,
                    const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension == nullptr ||
      X509_add_ext(certificate, extension.get(), -1) != 1) {
    return Failed(absl::StrCat("the extension ", OBJ_nid2sn(nid), "=", value));
  }
  return absl::OkStatus();
}

// All but extensions and signature.
absl::StatusOr<X509Ptr> Begin(const std::string& name, EVP_PKEY* key,
                              const CertificateRequest& request) {
  if (!Plain(name, kMostName, ".-_")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", name,
        "\" is no name of a certificate: 1 to 64 letters, digits, . - and _"));
  }
  X509Ptr certificate(X509_new());
  unsigned char serial[16] = {};
  if (RAND_bytes(serial, sizeof(serial)) != 1) return Failed("random numbers");
  serial[0] &= 0x7f;  // Positive.
  BIGNUM* number = BN_bin2bn(serial, sizeof(serial), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()),
                absl::ToTimeT(request.now - kClocksBehind));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()),
                absl::ToTimeT(request.now + request.valid));
  X509_NAME_add_entry_by_txt(
      X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>(name.data()),
      static_cast<int>(name.size()), -1, 0);
  if (X509_set_pubkey(certificate.get(), key) != 1) {
    return Failed("a certificate");
  }
  return certificate;
}

bool DnsName(absl::string_view host) {
  if (host.size() > kMostHost) return false;
  const std::vector<absl::string_view> labels = absl::StrSplit(host, '.');
  return std::ranges::all_of(labels, [](absl::string_view label) {
    return Plain(label, kMostLabel, "-*");
  });
}

absl::StatusOr<std::string> AlternativeNames(
    const CertificateRequest& request) {
  std::string names = absl::StrCat("URI:", RoleUri(request.role));
  for (const std::string& host : request.hosts) {
    unsigned char address[sizeof(in6_addr)];
    const bool ip = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                    inet_pton(AF_INET6, host.c_str(), address) == 1;
    // Commas and colons would be more names.
    if (!ip && !DnsName(host)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", absl::CHexEscape(host.substr(0, kMostHost)),
          host.size() > kMostHost ? "...\"" : "\"",
          " is neither a DNS name (letters, digits, - and *, at most ",
          kMostLabel, " between dots and ", kMostHost,
          " in all) nor an IP address"));
    }
    absl::StrAppend(&names, ip ? ",IP:" : ",DNS:", host);
  }
  return names;
}

// Files that go together: without Keep, those that were made are taken away.
class NewFiles {
 public:
  NewFiles() = default;
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;
  ~NewFiles() {
    for (const std::string& path : made_) unlink(path.c_str());
  }

  absl::Status Write(const std::string& path, const Identity& identity) {
    EBB_RETURN_IF_ERROR(Write(path + ".key", identity.key, 0600));
    return Write(path + ".pem", identity.certificate, 0644);
  }
  void Keep() { made_.clear(); }

 private:
  absl::Status Write(const std::string& path, absl::string_view text,
                     mode_t mode) {
    const Fd file(
        open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file) {
      if (errno == EEXIST) {
        return absl::AlreadyExistsError(absl::StrCat(
            path, " exists, and is not written over; name another folder"));
      }
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
    }
    made_.push_back(path);
    while (!text.empty()) {
      const ssize_t written = write(file.get(), text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        return absl::ErrnoToStatus(written < 0 ? errno : ENOSPC,
                                   absl::StrCat("cannot write ", path));
      }
      text.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  std::vector<std::string> made_;
};

absl::Status EndsInTime(X509* issuer, const CertificateRequest& request) {
  const absl::Time end = TimeOf(X509_get0_notAfter(issuer));
  // Certificates have whole seconds.
  if (absl::ToTimeT(request.now + request.valid) <= absl::ToTimeT(end)) {
    return absl::OkStatus();
  }
  const int64_t days = (end - request.now) / absl::Hours(24);
  return absl::InvalidArgumentError(absl::StrCat(
      "the authority is valid until ", absl::FormatTime(end),
      ", and what it signs no longer than it: ",
      days > 0 ? absl::StrCat("ask for at most ", days, " days, or ") : "",
      "make another authority in another folder"));
}

}  // namespace

absl::StatusOr<Identity> MakeAuthority(const CertificateRequest& like) {
  CertificateRequest request = like;
  request.valid = std::max(request.valid, kAuthorityValid);
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("a key");
  EBB_ASSIGN_OR_RETURN(const X509Ptr own,
                       Begin(request.name.empty() ? "ebb-ca" : request.name,
                             key.get(), request));
  X509_set_issuer_name(own.get(), X509_get_subject_name(own.get()));
  EBB_RETURN_IF_ERROR(Extend(own.get(), own.get(), NID_basic_constraints,
                             "critical,CA:TRUE,pathlen:0"));
  EBB_RETURN_IF_ERROR(Extend(own.get(), own.get(), NID_key_usage,
                             "critical,keyCertSign,cRLSign"));
  EBB_RETURN_IF_ERROR(
      Extend(own.get(), own.get(), NID_subject_key_identifier, "hash"));
  if (X509_sign(own.get(), key.get(), EVP_sha256()) == 0) {
    return Failed("a signature");
  }
  return ToPem(own.get(), key.get());
}

absl::StatusOr<Identity> Issue(const Identity& authority,
                               const CertificateRequest& request) {
  const BioPtr bio = ToBio(authority.certificate);
  const X509Ptr issuer = ReadNextCertificate(bio.get());
  const KeyPtr issuer_key = ReadPrivateKey(authority.key);
  if (issuer == nullptr || issuer_key == nullptr ||
      X509_check_private_key(issuer.get(), issuer_key.get()) != 1 ||
      X509_check_ca(issuer.get()) == 0) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        "the authority's files are no certificate of an authority and its key");
  }
  EBB_RETURN_IF_ERROR(EndsInTime(issuer.get(), request));
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("a key");
  EBB_ASSIGN_OR_RETURN(
      const X509Ptr made,
      Begin(request.name.empty() ? std::string(RoleName(request.role))
                                 : request.name,
            key.get(), request));
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
  EBB_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(request));
  // Peers connect only to these.
  const bool serves =
      request.role == Role::kScheduler || request.role == Role::kServer;
  const std::pair<int, std::string> extensions[] = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, serves ? "serverAuth,clientAuth" : "clientAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"},
      {NID_subject_alt_name, names},
  };
  for (const auto& [nid, value] : extensions) {
    EBB_RETURN_IF_ERROR(Extend(made.get(), issuer.get(), nid, value));
  }
  if (X509_sign(made.get(), issuer_key.get(), EVP_sha256()) == 0) {
    return Failed("a signature");
  }
  return ToPem(made.get(), key.get());
}

absl::Status WriteIdentity(const std::string& path, const Identity& identity) {
  NewFiles files;
  EBB_RETURN_IF_ERROR(files.Write(path, identity));
  files.Keep();
  return absl::OkStatus();
}

TlsFiles FilesIn(const std::string& folder, const std::string& name) {
  return {.certificate = absl::StrCat(folder, "/", name, ".pem"),
          .key = absl::StrCat(folder, "/", name, ".key"),
          .authority = absl::StrCat(folder, "/ca.pem")};
}

absl::Status WriteAllRoles(const std::string& folder,
                           const CertificateRequest& like) {
  CertificateRequest request = like;
  request.name.clear();
  EBB_ASSIGN_OR_RETURN(const Identity authority, MakeAuthority(request));
  NewFiles files;
  EBB_RETURN_IF_ERROR(files.Write(folder + "/ca", authority));
  for (const Role role : kAllRoles) {
    request.role = role;
    EBB_ASSIGN_OR_RETURN(const Identity made, Issue(authority, request));
    EBB_RETURN_IF_ERROR(
        files.Write(absl::StrCat(folder, "/", RoleName(role)), made));
  }
  files.Keep();
  return absl::OkStatus();
}

}  // namespace ebb

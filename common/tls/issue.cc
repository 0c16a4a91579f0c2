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
#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "common/tls/internal/openssl.h"

namespace ebb {

namespace {

using tls_internal::BioPtr;
using tls_internal::ExtensionPtr;
using tls_internal::KeyPtr;
using tls_internal::ReadPrivateKey;
using tls_internal::ToBio;
using tls_internal::X509Ptr;

constexpr absl::Duration kClocksBehind = absl::Hours(1);
constexpr size_t kMostName = 64;  // Of a common name (RFC 5280, A.1).

absl::Status Failed(absl::string_view what) {
  ERR_clear_error();
  return absl::InternalError(absl::StrCat("OpenSSL cannot make ", what));
}

bool Plain(const std::string& text, absl::string_view others) {
  return !text.empty() && text.size() <= kMostName &&
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
  if (!Plain(name, ".-_")) {
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

absl::StatusOr<std::string> AlternativeNames(
    const CertificateRequest& request) {
  std::string names = absl::StrCat("URI:", RoleUri(request.role));
  for (const std::string& host : request.hosts) {
    unsigned char address[sizeof(in6_addr)];
    const bool ip = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                    inet_pton(AF_INET6, host.c_str(), address) == 1;
    // Commas and colons would be more names.
    if (!ip && !Plain(host, ".-*")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", host, "\" is neither a DNS name nor an IP address"));
    }
    absl::StrAppend(&names, ip ? ",IP:" : ",DNS:", host);
  }
  return names;
}

absl::Status WriteNew(const std::string& path, absl::string_view text,
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
  if (write(file.get(), text.data(), text.size()) !=
      static_cast<ssize_t>(text.size())) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Identity> MakeAuthority(const CertificateRequest& request) {
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
  const X509Ptr issuer(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  const KeyPtr issuer_key = ReadPrivateKey(authority.key);
  if (issuer == nullptr || issuer_key == nullptr ||
      X509_check_private_key(issuer.get(), issuer_key.get()) != 1 ||
      X509_check_ca(issuer.get()) == 0) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        "the authority's files are no certificate of an authority and its key");
  }
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("a key");
  EBB_ASSIGN_OR_RETURN(
      const X509Ptr made,
      Begin(request.name.empty() ? std::string(RoleName(request.role))
                                 : request.name,
            key.get(), request));
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
  EBB_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(request));
  // Nobody but these is connected to.
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
  const std::string certificate = path + ".pem";
  EBB_RETURN_IF_ERROR(WriteNew(path + ".key", identity.key, 0600));
  absl::Status written = WriteNew(certificate, identity.certificate, 0644);
  if (!written.ok()) unlink((path + ".key").c_str());
  return written;
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
  EBB_RETURN_IF_ERROR(WriteIdentity(folder + "/ca", authority));
  for (const Role role : kAllRoles) {
    request.role = role;
    EBB_ASSIGN_OR_RETURN(const Identity made, Issue(authority, request));
    EBB_RETURN_IF_ERROR(
        WriteIdentity(absl::StrCat(folder, "/", RoleName(role)), made));
  }
  return absl::OkStatus();
}

}  // namespace ebb

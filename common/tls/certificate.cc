#include "common/tls/certificate.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "common/tls/internal/openssl.h"

namespace ebb {

namespace {

using tls_internal::ReadPrivateKey;
using tls_internal::ToBio;
using tls_internal::X509Ptr;

constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kMostName = 64;

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string CommonName(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return "";
  const ASN1_STRING* value =
      X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  const absl::string_view bytes(
      reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
      static_cast<size_t>(ASN1_STRING_length(value)));
  return absl::CHexEscape(bytes.substr(0, kMostName));
}

absl::StatusOr<Role> RoleOf(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(
          certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  std::vector<absl::string_view> uris;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get());
       ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  return RoleOfUris(uris);
}

Certificate Describe(const X509* certificate) {
  return {.name = CommonName(certificate),
          .role = RoleOf(certificate),
          .not_before = TimeOf(X509_get0_notBefore(certificate)),
          .not_after = TimeOf(X509_get0_notAfter(certificate))};
}

std::vector<X509Ptr> ReadAll(absl::string_view pem) {
  std::vector<X509Ptr> all;
  const auto bio = ToBio(pem);
  while (auto* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    all.emplace_back(one);
  }
  ERR_clear_error();  // That there are no more.
  return all;
}

absl::StatusOr<std::string> ReadWhole(const std::string& path,
                                      absl::string_view flag) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(file ? kMostBytes : 0, '\0');
  size_t size = 0;
  ssize_t more = file ? 1 : -1;
  while (more > 0 && size < text.size()) {
    more = read(file.get(), text.data() + size, text.size() - size);
    if (more > 0) size += static_cast<size_t>(more);
  }
  if (more < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": cannot read ", path, ": ", std::strerror(errno)));
  }
  if (size == kMostBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": ", path, " is too large to be a certificate or a key"));
  }
  text.resize(size);
  return text;
}

// Of the certificate that is wrong.
std::string WhyNot(int error, const TlsFiles& files, const X509* certificate) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return absl::StrCat("expired on ",
                          absl::FormatTime(Describe(certificate).not_after),
                          "; replace it");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return absl::StrCat("is not valid before ",
                          absl::FormatTime(Describe(certificate).not_before),
                          "; look at this machine's clock");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return absl::StrCat("was not signed by --tls-ca ", files.authority);
    default:
      return absl::StrCat("cannot be verified by --tls-ca ", files.authority,
                          ": ", X509_verify_cert_error_string(error));
  }
}

absl::Status VerifyChain(const TlsFiles& files,
                         const std::vector<X509Ptr>& chain,
                         const std::vector<X509Ptr>& authorities,
                         absl::Time now) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(
      X509_STORE_new(), &X509_STORE_free);
  for (const X509Ptr& one : authorities) {
    X509_STORE_add_cert(store.get(), one.get());
  }
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> others(
      sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (const X509Ptr& one : chain) sk_X509_push(others.get(), one.get());
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(
      X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  if (X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(),
                          others.get()) != 1) {
    return absl::InternalError("OpenSSL cannot verify certificates");
  }
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()),
                             absl::ToTimeT(now));
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  const int error = X509_STORE_CTX_get_error(context.get());
  const X509* at = X509_STORE_CTX_get_current_cert(context.get());
  const bool own =
      at == nullptr || X509_STORE_CTX_get_error_depth(context.get()) == 0;
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(
      own ? "--tls-cert " : "what signed --tls-cert ", files.certificate, " ",
      WhyNot(error, files, own ? chain.front().get() : at)));
}

}  // namespace

absl::StatusOr<Certificate> ReadCertificate(absl::string_view pem) {
  const std::vector<X509Ptr> all = ReadAll(pem);
  if (all.empty()) {
    return absl::InvalidArgumentError("there is no certificate in PEM");
  }
  return Describe(all.front().get());
}

absl::StatusOr<Certificate> CheckIdentity(const TlsFiles& files, RoleSet roles,
                                          absl::Time now) {
  EBB_ASSIGN_OR_RETURN(const std::string certificate_pem,
                       ReadWhole(files.certificate, "--tls-cert"));
  EBB_ASSIGN_OR_RETURN(const std::string key_pem,
                       ReadWhole(files.key, "--tls-key"));
  EBB_ASSIGN_OR_RETURN(const std::string authority_pem,
                       ReadWhole(files.authority, "--tls-ca"));
  const std::vector<X509Ptr> chain = ReadAll(certificate_pem);
  if (chain.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-cert: ", files.certificate, " holds no certificate in PEM"));
  }
  const std::vector<X509Ptr> authorities = ReadAll(authority_pem);
  if (authorities.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-ca: ", files.authority, " holds no certificate in PEM"));
  }
  const auto key = ReadPrivateKey(key_pem);
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-key: ", files.key,
                     " holds no private key in PEM without a password"));
  }
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-key ", files.key, " is not the key of --tls-cert ",
                     files.certificate));
  }
  EBB_RETURN_IF_ERROR(VerifyChain(files, chain, authorities, now));
  Certificate own = Describe(chain.front().get());
  if (!own.role.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-cert ", files.certificate, ": ", own.role.status().message()));
  }
  if (!roles.Has(*own.role)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-cert ", files.certificate, " is of the role ",
        RoleName(*own.role), "; here one of ", roles.ToString(), " is needed"));
  }
  return own;
}

}  // namespace ebb

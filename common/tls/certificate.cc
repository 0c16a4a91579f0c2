#include "common/tls/certificate.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "common/tls/internal/openssl.h"

namespace ebb {

namespace {

using tls_internal::ReadNextCertificate;
using tls_internal::ReadPrivateKey;
using tls_internal::TimeOf;
using tls_internal::ToBio;
using tls_internal::X509Ptr;

constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kMostNameShown = 64;

std::string CommonName(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return "";
  const ASN1_STRING* value =
      X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  const absl::string_view bytes(
      reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
      static_cast<size_t>(ASN1_STRING_length(value)));
  return absl::CHexEscape(bytes.substr(0, kMostNameShown));
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

// At least one. gRPC, too, reads until the first that it cannot read, but does
// not report those after it.
absl::StatusOr<std::vector<X509Ptr>> ReadAll(absl::string_view pem,
                                             const std::string& path,
                                             absl::string_view flag) {
  std::vector<X509Ptr> all;
  const auto bio = ToBio(pem);
  ERR_clear_error();
  while (X509Ptr one = ReadNextCertificate(bio.get())) {
    all.push_back(std::move(one));
  }
  const auto error = ERR_peek_last_error();
  ERR_clear_error();
  const bool to_the_end = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                          ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!to_the_end) {
    const char* reason = ERR_reason_error_string(error);
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": in ", path, ", the certificate number ", all.size() + 1,
        " cannot be read (", reason == nullptr ? "no reason given" : reason,
        "), nor what is after it; mend it or take it out"));
  }
  if (all.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": ", path, " holds no certificate in PEM"));
  }
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

struct Use {
  int purpose;  // OpenSSL's.
  absl::string_view what;
  absl::string_view extended;
};
constexpr Use kAnyUse = {0, "", ""};
constexpr Use kToConnect = {X509_PURPOSE_SSL_CLIENT, "connect to others",
                            "clientAuth"};
constexpr Use kToBeConnectedTo = {X509_PURPOSE_SSL_SERVER, "be connected to",
                                  "serverAuth"};

// gRPC will use the certificate for these, and would only then fail.
std::vector<Use> UsesOf(Role role) {
  switch (role) {
    case Role::kScheduler:
      return {kToBeConnectedTo};
    case Role::kServer:
      return {kToBeConnectedTo, kToConnect};
    case Role::kWorker:
    case Role::kClient:
    case Role::kViewer:
      break;
  }
  return {kToConnect};
}

// For the certificate that is wrong.
std::string WhyNot(int error, const TlsFiles& files, const X509* certificate,
                   const Use& use) {
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
    case X509_V_ERR_INVALID_PURPOSE:
      return absl::StrCat("may not be used to ", use.what,
                          ": issue it with the key usage digitalSignature and "
                          "the extended key usage ",
                          use.extended, ", or without these extensions");
    default:
      return absl::StrCat("cannot be verified by --tls-ca ", files.authority,
                          ": ", X509_verify_cert_error_string(error));
  }
}

struct Validity {
  absl::Time not_before = absl::InfinitePast();
  absl::Time not_after = absl::InfiniteFuture();
};

// When all are valid that lead to the authority.
absl::StatusOr<Validity> VerifyChain(const TlsFiles& files,
                                     const std::vector<X509Ptr>& chain,
                                     const std::vector<X509Ptr>& authorities,
                                     absl::Time now, const Use& use) {
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
  if (use.purpose != 0) {
    X509_STORE_CTX_set_purpose(context.get(), use.purpose);
  }
  if (X509_verify_cert(context.get()) == 1) {
    Validity validity;
    const STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(context.get());
    for (int i = 0; i < sk_X509_num(verified); ++i) {
      const X509* one = sk_X509_value(verified, i);
      validity.not_before =
          std::max(validity.not_before, TimeOf(X509_get0_notBefore(one)));
      validity.not_after =
          std::min(validity.not_after, TimeOf(X509_get0_notAfter(one)));
    }
    return validity;
  }
  const int error = X509_STORE_CTX_get_error(context.get());
  const X509* at = X509_STORE_CTX_get_current_cert(context.get());
  const bool own =
      at == nullptr || X509_STORE_CTX_get_error_depth(context.get()) == 0;
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(
      own ? "--tls-cert " : "what signed --tls-cert ", files.certificate, " ",
      WhyNot(error, files, own ? chain.front().get() : at, use)));
}

}  // namespace

absl::StatusOr<Certificate> ReadCertificate(absl::string_view pem) {
  const auto bio = ToBio(pem);
  const X509Ptr first = ReadNextCertificate(bio.get());
  ERR_clear_error();
  if (first == nullptr) {
    return absl::InvalidArgumentError("there is no certificate in PEM");
  }
  return Describe(first.get());
}

absl::StatusOr<Certificate> CheckIdentity(const TlsFiles& files, RoleSet roles,
                                          absl::Time now) {
  EBB_ASSIGN_OR_RETURN(const std::string certificate_pem,
                       ReadWhole(files.certificate, "--tls-cert"));
  EBB_ASSIGN_OR_RETURN(const std::string key_pem,
                       ReadWhole(files.key, "--tls-key"));
  EBB_ASSIGN_OR_RETURN(const std::string authority_pem,
                       ReadWhole(files.authority, "--tls-ca"));
  EBB_ASSIGN_OR_RETURN(
      const std::vector<X509Ptr> chain,
      ReadAll(certificate_pem, files.certificate, "--tls-cert"));
  EBB_ASSIGN_OR_RETURN(const std::vector<X509Ptr> authorities,
                       ReadAll(authority_pem, files.authority, "--tls-ca"));
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
  EBB_ASSIGN_OR_RETURN(const Validity validity,
                       VerifyChain(files, chain, authorities, now, kAnyUse));
  Certificate own = Describe(chain.front().get());
  own.not_before = validity.not_before;
  own.not_after = validity.not_after;
  if (!own.role.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-cert ", files.certificate, ": ", own.role.status().message()));
  }
  if (!roles.Has(*own.role)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-cert ", files.certificate, " is of the role ",
        RoleName(*own.role), "; here one of ", roles.ToString(), " is needed"));
  }
  for (const Use& use : UsesOf(*own.role)) {
    EBB_RETURN_IF_ERROR(
        VerifyChain(files, chain, authorities, now, use).status());
  }
  return own;
}

}  // namespace ebb

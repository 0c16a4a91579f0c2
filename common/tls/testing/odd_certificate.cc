#include "common/tls/testing/odd_certificate.h"

#include <openssl/x509v3.h>

#include <memory>

#include "absl/status/status.h"
#include "common/tls/internal/openssl.h"

namespace ebb {

namespace {

using tls_internal::BioPtr;
using tls_internal::ExtensionPtr;
using tls_internal::KeyPtr;
using tls_internal::ReadNextCertificate;
using tls_internal::ReadPrivateKey;
using tls_internal::ToBio;
using tls_internal::X509Ptr;

void Remove(X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  if (at >= 0) ExtensionPtr(X509_delete_ext(certificate, at));
}

bool SetUri(X509* certificate, const std::string& uri) {
  Remove(certificate, NID_subject_alt_name);
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      sk_GENERAL_NAME_new_null(), &GENERAL_NAMES_free);
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  const bool set =
      ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size())) == 1;
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  sk_GENERAL_NAME_push(names.get(), name);
  return set && X509_add1_ext_i2d(certificate, NID_subject_alt_name,
                                  names.get(), 0, X509V3_ADD_APPEND) == 1;
}

bool SetExtendedKeyUsage(X509* certificate, const std::string& usage) {
  Remove(certificate, NID_ext_key_usage);
  if (usage.empty()) return true;
  const ExtensionPtr extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage, usage.c_str()));
  return extension != nullptr &&
         X509_add_ext(certificate, extension.get(), -1) == 1;
}

}  // namespace

absl::StatusOr<Identity> SignAnew(const Identity& signer, const Identity& of,
                                  const Oddities& oddities) {
  const BioPtr in = ToBio(of.certificate);
  const X509Ptr certificate = ReadNextCertificate(in.get());
  const KeyPtr key = ReadPrivateKey(signer.key);
  const BioPtr out(BIO_new(BIO_s_mem()));
  bool done = certificate != nullptr && key != nullptr;
  if (done && oddities.uri) done = SetUri(certificate.get(), *oddities.uri);
  if (done && oddities.extended_key_usage) {
    done = SetExtendedKeyUsage(certificate.get(), *oddities.extended_key_usage);
  }
  if (done && oddities.not_after) {
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()),
                  absl::ToTimeT(*oddities.not_after));
  }
  done = done && X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0 &&
         PEM_write_bio_X509(out.get(), certificate.get()) == 1;
  ERR_clear_error();
  if (!done) return absl::InternalError("OpenSSL cannot make it");
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return Identity{{data, static_cast<size_t>(size)}, of.key};
}

}  // namespace ebb

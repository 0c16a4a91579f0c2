// OpenSSL's objects with owners.
#ifndef EBB_COMMON_TLS_INTERNAL_OPENSSL_H_
#define EBB_COMMON_TLS_INTERNAL_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::tls_internal {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* one) const { X509_EXTENSION_free(one); }
};
using BioPtr = std::unique_ptr<BIO, Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;
using X509Ptr = std::unique_ptr<X509, Free>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Free>;

// Reads `text`, which outlives it.
inline BioPtr ToBio(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// For all that reads PEM: OpenSSL would ask at the terminal.
inline int NoPassword(char*, int, int, void*) { return -1; }

// Null: there is none, or it has a password, which is not asked for.
inline KeyPtr ReadPrivateKey(absl::string_view pem) {
  const BioPtr bio = ToBio(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  return key;
}
// The next in `bio`; null: there is none, or it cannot be read, and OpenSSL's
// error says which.
inline X509Ptr ReadNextCertificate(BIO* bio) {
  return X509Ptr(PEM_read_bio_X509(bio, nullptr, NoPassword, nullptr));
}

inline absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

}  // namespace ebb::tls_internal

#endif  // EBB_COMMON_TLS_INTERNAL_OPENSSL_H_

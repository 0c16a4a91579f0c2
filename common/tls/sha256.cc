#include "common/tls/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "glog/logging.h"

namespace ebb {

std::string Sha256(absl::string_view bytes) {
  std::string hash(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  CHECK_EQ(EVP_Digest(bytes.data(), bytes.size(),
                      reinterpret_cast<unsigned char*>(hash.data()), &size,
                      EVP_sha256(), nullptr),
           1);
  hash.resize(size);
  return hash;
}

std::string Sha256OfParts(std::span<const absl::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(context != nullptr);
  CHECK_EQ(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr), 1);
  for (const absl::string_view part : parts) {
    CHECK_EQ(EVP_DigestUpdate(context.get(), part.data(), part.size()), 1);
  }
  std::string hash(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  CHECK_EQ(
      EVP_DigestFinal_ex(context.get(),
                         reinterpret_cast<unsigned char*>(hash.data()), &size),
      1);
  hash.resize(size);
  return hash;
}

std::string HmacSha256(absl::string_view key, absl::string_view text) {
  std::string hash(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(),
             reinterpret_cast<unsigned char*>(hash.data()), &size) != nullptr);
  hash.resize(size);
  return hash;
}

}  // namespace ebb

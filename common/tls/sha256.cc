#include "common/tls/sha256.h"

#include <openssl/evp.h>

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

}  // namespace ebb

// The documents of an S3 server: any bytes, and no crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/objects/internal/s3_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view xml(reinterpret_cast<const char*>(data), size);
  const auto page = ebb::ParseListing(xml);
  if (page.ok()) {
    for (const ebb::ListedObject& object : page->objects) {
      if (object.key.empty()) std::abort();
    }
  }
  const ebb::S3Error error = ebb::ParseS3Error(xml);
  if (error.code.size() > 300 || error.message.size() > 300) std::abort();
  const auto assumed = ebb::ParseAssumedRole(xml);
  if (assumed.ok() && assumed->credentials.session_token.empty()) std::abort();
  return 0;
}

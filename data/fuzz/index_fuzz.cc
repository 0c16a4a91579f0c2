#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "data/bytes/fixed64.h"
#include "data/fuzz/fuzzing.h"
#include "data/index.h"

namespace {

// What is read is written back byte for byte.
void RoundTrip(absl::string_view bytes) {
  const auto index = ebb::data::Index::Decode(bytes);
  if (index.ok()) ebb::data::Require(index->Encode() == bytes);
}

}  // namespace

// The input is read as it is, and with the checksum it ought to have, which a
// fuzzer does not guess.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  RoundTrip(bytes);
  if (size < 8) return 0;
  std::string checked = bytes.substr(0, size - 8);
  ebb::data::internal::PutFixed64(XXH64(checked.data(), checked.size(), 0),
                                  &checked);
  RoundTrip(checked);
  return 0;
}

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "data/bytes/fixed64.h"
#include "data/fuzz/fuzzing.h"
#include "data/pack/footer.h"

namespace {

// What is read is written back byte for byte, and what it says is possible.
void RoundTrip(absl::string_view bytes) {
  const auto footer = ebb::data::pack::Footer::Decode(bytes);
  if (!footer.ok()) {
    return ebb::data::Require(!footer.status().message().empty());
  }
  ebb::data::Require(footer->Encode() == bytes);
  ebb::data::Require(footer->MostMemoryBytes() <=
                     ebb::data::pack::kMostWindowBytes);
}

}  // namespace

// The input is a footer as it is, and with the length and the checksum that it
// ought to have, which a fuzzer does not guess.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::internal::PutFixed64;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  RoundTrip(bytes);
  constexpr size_t kFront = 20;  // Magic, version and length.
  if (size < kFront + 8) return 0;
  std::string checked = bytes.substr(0, kFront - 8);
  PutFixed64(size - kFront - 8, &checked);
  checked += bytes.substr(kFront, size - kFront - 8);
  PutFixed64(XXH3_64bits(checked.data(), checked.size()), &checked);
  RoundTrip(checked);
  return 0;
}

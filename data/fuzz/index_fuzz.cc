#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "data/fuzz/fuzzing.h"
#include "data/index.h"

// What is read is written back byte for byte.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto index = ebb::data::Index::Decode(bytes);
  if (index.ok()) ebb::data::Require(index->Encode() == bytes);
  return 0;
}

// Any bytes as a safetensors file: no crash, and what is accepted is written
// to what reads the same.
//
// The input is read as it is, and as a header whose length stands before it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/tensors/tensor_files.h"

namespace {

void Decode(absl::string_view bytes) {
  const auto file = ebb::tools::DecodeSafetensors(bytes);
  if (!file.ok()) return;
  const std::string once = ebb::tools::EncodeSafetensors(*file);
  const auto again = ebb::tools::DecodeSafetensors(once);
  // Not the values one by one: some may be no number.
  if (!again.ok() || ebb::tools::EncodeSafetensors(*again) != once) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  Decode(input);
  std::string headed(8, '\0');
  for (int i = 0; i < 8; ++i) {
    headed[i] = static_cast<char>(uint64_t{size} >> (8 * i));
  }
  headed.append(input.data(), input.size());
  headed.append(64, '\0');
  Decode(headed);
  return 0;
}

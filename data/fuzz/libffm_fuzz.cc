#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  ebb::data::SourceSpec spec = {.kind = ebb::data::SourceKind::kLibffm,
                                .path = "f"};
  ebb::data::ReadEverything(spec, {{"f", text}});
  spec.has_labels = false;
  spec.libffm = {.fields = 100};
  ebb::data::ReadEverything(spec, {{"f", text}});
  return 0;
}

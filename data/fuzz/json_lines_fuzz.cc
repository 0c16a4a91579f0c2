#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using As = ebb::data::RecordFeature::As;
  const std::string text(reinterpret_cast<const char*>(data), size);
  ebb::data::SourceSpec spec = {.kind = ebb::data::SourceKind::kJsonLines,
                                .path = "f"};
  ebb::data::ReadEverything(spec, {{"f", text}});
  spec.features = {
      {.name = "a", .as = As::kDense, .width = 2, .log = true, .missing = 1},
      {.name = "u.id", .as = As::kDense},
      {.name = "y", .as = As::kLabel}};
  ebb::data::ReadEverything(spec, {{"f", text}});
  spec.features[1] = {.name = "u.id", .as = As::kKeys, .most = 2};
  ebb::data::ReadEverything(spec, {{"f", text}});
  return 0;
}

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::CriteoOptions;
  const std::string text(reinterpret_cast<const char*>(data), size);
  ebb::data::SourceSpec spec = {.kind = ebb::data::SourceKind::kCriteo,
                                .path = "f"};
  ebb::data::ReadEverything(spec, {{"f", text}});
  spec.criteo = {.numeric = 2, .categories = 1};
  ebb::data::ReadEverything(spec, {{"f", text}});
  spec.has_labels = false;
  spec.criteo.numbers = CriteoOptions::Numbers::kValue;
  ebb::data::ReadEverything(spec, {{"f", text}});
  return 0;
}

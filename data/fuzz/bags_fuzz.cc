#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  ebb::data::SourceSpec spec = {
      .kind = ebb::data::SourceKind::kBags, .path = "f", .has_labels = false};
  ebb::data::ReadEverything(spec, {{"f", text}});
  spec.bags.vocabulary = std::string("v");
  ebb::data::ReadEverything(spec, {{"f", text}, {"v", "a\nb\nc\n"}});
  ebb::data::ReadEverything(spec, {{"f", "2 1:1 0:3\n"}, {"v", text}});
  return 0;
}

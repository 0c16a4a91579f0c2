#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "data/bytes/tf_record.h"
#include "data/fuzz/fuzzing.h"
#include "data/source.h"

// The input is read as a file, and as the bytes of a record whose checksums are
// right.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::RecordFeature;
  using As = RecordFeature::As;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const auto number = [](uint64_t value, size_t bytes) {
    std::string text(bytes, '\0');
    std::memcpy(text.data(), &value, bytes);
    return text;
  };
  const std::string length = number(size, 8);
  const std::string framed =
      length + number(ebb::data::internal::MaskedCrc(length), 4) + input +
      number(ebb::data::internal::MaskedCrc(input), 4);
  ebb::data::SourceSpec spec = {.kind = ebb::data::SourceKind::kTfRecord,
                                .path = "f"};
  for (const std::string& file : {input, framed}) {
    spec.features = {};
    ebb::data::ReadEverything(spec, {{"f", file}});
    spec.features = {
        {.name = "a", .as = As::kDense, .width = 2, .log = true, .missing = 1},
        {.name = "b", .as = As::kBytes, .width = 3},
        {.name = "y", .as = As::kLabel}};
    ebb::data::ReadEverything(spec, {{"f", file}});
    spec.features[1] = {.name = "b", .as = As::kKeys, .most = 2};
    ebb::data::ReadEverything(spec, {{"f", file}});
    spec.features[0] = {.name = "a", .as = As::kKey};
    ebb::data::ReadEverything(spec, {{"f", file}});
  }
  return 0;
}

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/formats/testing.h"
#include "data/fuzz/fuzzing.h"
#include "data/source.h"

// The input is read as images without labels, then as the labels of two
// images of one pixel.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::SourceKind;
  const std::string input(reinterpret_cast<const char*>(data), size);
  ebb::data::ReadEverything({.kind = SourceKind::kIdx,
                             .has_labels = false,
                             .idx = {.images = "input"}},
                            {{"input", input}});
  ebb::data::ReadEverything(
      {.kind = SourceKind::kIdx,
       .idx = {.images = "images", .labels = "input"}},
      {{"images", ebb::data::internal::Idx({2, 1}, "ab")}, {"input", input}});
  return 0;
}

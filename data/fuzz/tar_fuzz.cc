#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

// The input is an archive of examples, with labels and without.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::OnBadExample;
  using ebb::data::SourceKind;
  const std::string input(reinterpret_cast<const char*>(data), size);
  for (const OnBadExample on_bad : {OnBadExample::kStop, OnBadExample::kSkip}) {
    ebb::data::ReadEverything({.kind = SourceKind::kTar,
                               .path = "input",
                               .on_bad_example = on_bad,
                               .image = {.width = 4, .height = 4}},
                              {{"input", input}});
  }
  ebb::data::ReadEverything(
      {.kind = SourceKind::kTar, .path = "input", .has_labels = false},
      {{"input", input}});
  return 0;
}

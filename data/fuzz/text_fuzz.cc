#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  ebb::data::SourceSpec spec = {
      .kind = ebb::data::SourceKind::kText, .path = "f", .has_labels = false};
  spec.documents = {.least_count = 1, .longest = 3};
  ebb::data::ReadText(spec, {{"f", text}});
  spec.documents = {.lines = true,
                    .lower_case = false,
                    .least_count = 2,
                    .most_words = 4,
                    .stop_words = {"the"},
                    .least_words = 2,
                    .counts = true};
  spec.on_bad_example = ebb::data::OnBadExample::kSkip;
  ebb::data::ReadText(spec, {{"f", text}});
  return 0;
}

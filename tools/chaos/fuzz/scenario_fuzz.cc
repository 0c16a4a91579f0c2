// Any bytes as a scenario: no crash, and what is accepted is a plan that ends.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "tools/chaos/fuzz/fuzzing.h"
#include "tools/chaos/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::chaos::Require;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scenario = ebb::chaos::ReadScenario(text, "fuzz");
  if (!scenario.ok()) return 0;
  Require(!scenario->name.empty());
  Require(!scenario->events.empty());
  Require(scenario->events.size() <= ebb::chaos::kMostEvents);
  ebb::chaos::RunToItsEnd(scenario->events);
  return 0;
}

// Any bytes as a trace: no crash, and what is accepted is a plan that ends.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "tools/chaos/fuzz/fuzzing.h"
#include "tools/chaos/trace.h"

namespace {

using ebb::chaos::Require;
using ebb::chaos::TraceEvent;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto trace = ebb::chaos::ReadTrace(text, "fuzz");
  if (!trace.ok()) return 0;
  absl::Duration last;
  int64_t nodes = 0;
  for (const TraceEvent& event : trace->events) {
    Require(event.at >= last && !event.node.empty());
    last = event.at;
    nodes += event.add ? 1 : -1;
    Require(nodes >= 0 && nodes <= trace->peak_nodes);
  }
  Require(last == trace->duration);
  Require(trace->mean_nodes >= 0);
  // A sum of products, rounded.
  Require(trace->mean_nodes <=
          static_cast<double>(trace->peak_nodes) * (1 + 1e-9));
  const auto events = EventsOf(*trace, /*speed=*/60, absl::Seconds(1));
  Require(events.size() == trace->events.size());
  ebb::chaos::RunToItsEnd(events);
  return 0;
}

// Scenarios: faults of a cluster, as people write them (docs/chaos.md).
#ifndef EBB_TOOLS_CHAOS_SCENARIO_H_
#define EBB_TOOLS_CHAOS_SCENARIO_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/chaos/events.h"

namespace ebb::chaos {

// How long a daemon that a scenario terminates may take to leave, where it
// does not say.
inline constexpr absl::Duration kDefaultGrace = absl::Seconds(20);
// Most events of a scenario: a bound on the work that a hostile file makes.
inline constexpr size_t kMostEvents = 10'000;

struct Scenario {
  std::string name;   // One line, not empty.
  std::string about;  // The purpose of it; one line, may be empty.
  std::optional<int> servers, workers;    // At the start.
  std::optional<absl::Duration> compute;  // Least time of a batch.
  // At least one, in the order of the file; a repeated one stands several
  // times.
  std::vector<ChaosEvent> events;
};

// Reads a scenario. InvalidArgument names all mistakes with `file_name`, line,
// key and what would be right.
absl::StatusOr<Scenario> ReadScenario(absl::string_view text,
                                      absl::string_view file_name);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_SCENARIO_H_

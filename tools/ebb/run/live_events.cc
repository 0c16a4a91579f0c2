#include "tools/ebb/run/live_events.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "tools/chaos/plan.h"
#include "tools/chaos/scenario.h"

namespace ebb::tools {

namespace {

absl::StatusOr<chaos::ChaosEvent> EventOf(absl::string_view line) {
  EBB_ASSIGN_OR_RETURN(
      chaos::Scenario scenario,
      chaos::ReadScenario(absl::StrCat("name: live\nevents:\n- ", line, "\n"),
                          "the standard input"));
  if (scenario.events.size() != 1 || scenario.events[0].when.progress) {
    return absl::InvalidArgumentError(
        absl::StrCat("the standard input: \"", line,
                     "\" is not one event at a time: {at: 0s, kill: ps-0}"));
  }
  if (chaos::ChaosPlan(scenario.events, 0).TouchesNetwork()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the standard input: \"", line,
        "\" is a fault of the network; such events go into a --scenario"));
  }
  return std::move(scenario.events[0]);
}

}  // namespace

std::vector<absl::StatusOr<chaos::ChaosEvent>> LiveEvents::Take() {
  std::vector<absl::StatusOr<chaos::ChaosEvent>> events;
  for (const std::string& line : lines_.Take()) {
    events.push_back(EventOf(line));
  }
  return events;
}

}  // namespace ebb::tools

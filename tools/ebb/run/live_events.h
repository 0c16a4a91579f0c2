// Events that come while a run goes on: `ebb chaos --live`.
#ifndef EBB_TOOLS_EBB_RUN_LIVE_EVENTS_H_
#define EBB_TOOLS_EBB_RUN_LIVE_EVENTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "tools/chaos/events.h"
#include "tools/process/incoming_lines.h"

namespace ebb::tools {

// Lines of a file, each an event of a scenario: {at: 0s, kill: worker-0}. Not
// thread-safe.
class LiveEvents {
 public:
  // The file is not closed.
  explicit LiveEvents(int fd) : lines_(fd) {}

  // Returns what has come since the last call, and does not wait for more.
  // InvalidArgument: a line is not one event at a time, or is an event of the
  // network, for which the cluster must be made at its start.
  std::vector<absl::StatusOr<chaos::ChaosEvent>> Take();
  // True if the file has ended, or cannot be read.
  bool over() const { return lines_.over(); }

 private:
  IncomingLines lines_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_LIVE_EVENTS_H_

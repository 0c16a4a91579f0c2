// A deliberate event in a cluster, and its effect.
#ifndef EBB_TOOLS_EBB_STATUS_PLANNED_EVENT_H_
#define EBB_TOOLS_EBB_STATUS_PLANNED_EVENT_H_

#include <optional>
#include <string>

namespace ebb::tools {

struct PlannedEvent {
  double seconds = 0;  // Since the submission.
  std::string what;    // "worker-3 removed".
  // The daemon that stopped working by it; empty: none did.
  std::string lost;
  // From the event until another daemon had what the lost one had (its item
  // leased, its partitions served, the first lease given by the scheduler), and
  // until the next example of it was counted. Absent: the loss was not
  // observed, or was not made up for.
  std::optional<double> resumed_s;
  std::optional<double> recovery_s;
  // From the event, which killed the daemon or told it to end, until its
  // process had ended. Absent: the event did neither, or the run ended before.
  std::optional<double> ended_s;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_PLANNED_EVENT_H_

// How long it took to recover from each disturbance, from what the schedulers
// of a run said of losses.
#ifndef EBB_TOOLS_EBB_STATUS_RECOVERY_LOG_H_
#define EBB_TOOLS_EBB_STATUS_RECOVERY_LOG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/status/planned_event.h"

namespace ebb::tools {

// Returns the name of the daemon that was lost; empty: a worker without one.
std::string DaemonOf(const v1::Recovery& recovery);

// Not thread-safe.
class RecoveryLog {
 public:
  // A status of one job at most.
  void Add(const v1::GetStatusResponse& status);

  // Finds the first loss of the daemon ("worker-1", "ps-0", "scheduler") in
  // [begin, end) from which another daemon, or its next life, took something
  // up. Among several items it is the one counted first, or taken up first.
  // Absent: none yet.
  std::optional<v1::Recovery> Find(const std::string& daemon, absl::Time begin,
                                   absl::Time end) const;

  // Fills in how long it took. A loss is due to the last event before it that
  // the daemon was lost by.
  void Complete(absl::Time submitted, std::vector<PlannedEvent>* events) const;

 private:
  // By the start of the scheduler's life, and number.
  std::map<std::pair<int64_t, int64_t>, v1::Recovery> recoveries_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_RECOVERY_LOG_H_

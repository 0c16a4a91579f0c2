#include "tools/ebb/kill_plan.h"

#include "tools/ebb/daemon_names.h"

namespace ebb::tools {

KillPlan::KillPlan(absl::Duration every, uint64_t seed, int servers,
                   int workers)
    : every_(every), servers_(servers), workers_(workers), random_(seed) {
  Advance();
}

void KillPlan::Advance() {
  constexpr uint64_t kSteps = 1000;
  const double within = static_cast<double>(Draw(kSteps)) / kSteps;
  next_.after = every_ * (static_cast<double>(count_) + within);
  switch (count_ % 3) {
    case 0:
      next_.daemon = WorkerName(static_cast<int>(Draw(workers_)));
      break;
    case 1:
      next_.daemon = ServerName(static_cast<int>(Draw(servers_)));
      break;
    default:
      next_.daemon = kSchedulerName;
  }
  ++count_;
}

}  // namespace ebb::tools

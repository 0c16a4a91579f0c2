// `ebb run --kill-every`: daemons are killed in turn, and come back. A kill
// waits until the job went on after the kill before (kill_pace.h).
#ifndef EBB_TOOLS_EBB_RUN_KILL_EVERY_H_
#define EBB_TOOLS_EBB_RUN_KILL_EVERY_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/ebb/run/disturbance.h"
#include "tools/ebb/status/kill_pace.h"
#include "tools/ebb/status/kill_plan.h"

namespace ebb::tools {

class KillEvery final : public Disturbance {
 public:
  // Without a seed the job's.
  KillEvery(absl::Duration every, std::optional<uint64_t> seed)
      : every_(every), seed_(seed), pace_(every) {}

  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;

 private:
  // It runs again, and the scheduler has heard of it: a program may take long
  // before it joins. Or it is not to run any more.
  bool VictimIsBack(const v1::GetStatusResponse& status,
                    const LocalCluster& cluster) const;

  const absl::Duration every_;
  const std::optional<uint64_t> seed_;
  std::optional<KillPlan> plan_;
  KillPace pace_;
  std::string victim_;  // The daemon that was killed last ...
  pid_t killed_ = 0;    // ... and its process.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_KILL_EVERY_H_

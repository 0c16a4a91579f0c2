// `ebb run --kill-every`: daemons are killed in turn, and come back.
#ifndef EBB_TOOLS_EBB_RUN_KILL_EVERY_H_
#define EBB_TOOLS_EBB_RUN_KILL_EVERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/ebb/run/disturbance.h"
#include "tools/ebb/status/kill_plan.h"

namespace ebb::tools {

class KillEvery final : public Disturbance {
 public:
  // Without a seed the job's.
  KillEvery(absl::Duration every, std::optional<uint64_t> seed)
      : every_(every), seed_(seed) {}

  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;

 private:
  const absl::Duration every_;
  const std::optional<uint64_t> seed_;
  std::optional<KillPlan> plan_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_KILL_EVERY_H_

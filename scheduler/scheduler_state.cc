#include "scheduler/scheduler_state.h"

#include <algorithm>
#include <map>
#include <utility>

namespace ebb::scheduler {

SchedulerState::SchedulerState(SchedulerOptions with, absl::Time now)
    : options(std::move(with)), started(now) {}

TrainingJob* SchedulerState::Find(JobId job) const {
  const auto it = jobs.find(job);
  return it == jobs.end() ? nullptr : it->second.get();
}

PartitionCounts SchedulerState::Partitions() const {
  PartitionCounts counts;
  for (const auto& [id, job] : jobs) {
    if (job->state().phase == JobPhase::kCancelled) continue;
    const PlacementTable& placement = job->placement();
    // A partition that moves counts where it goes to: else all jobs would
    // choose the same server at once.
    const std::map<PartitionId, ServerId> moving = job->parts().moves.Targets();
    for (int32_t p = 0; p < placement.size(); ++p) {
      const auto to = moving.find(PartitionId(p));
      const ServerId owner =
          to == moving.end() ? placement.at(PartitionId(p)).owner : to->second;
      if (owner != Ownership::kNobody) ++counts[owner];
    }
  }
  return counts;
}

bool SchedulerState::OwnsAnything(ServerId server) const {
  return std::any_of(jobs.begin(), jobs.end(), [&](const auto& job) {
    return job.second->state().phase != JobPhase::kCancelled &&
           job.second->parts().owners.Owned(server) > 0;
  });
}

}  // namespace ebb::scheduler

#include "scheduler/scheduler_state.h"

#include <algorithm>
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
    for (int32_t p = 0; p < placement.size(); ++p) {
      const ServerId owner = placement.at(PartitionId(p)).owner;
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

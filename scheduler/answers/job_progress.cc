#include "scheduler/answers/job_progress.h"

#include <algorithm>

namespace ebb::scheduler {

absl::Duration NotAdvancing(const SchedulerShell::Picture& picture,
                            const TrainingJob& job) {
  const JobWatch* watch = picture.watch.job(job.id());
  if (watch == nullptr || job.parts().tables.over())
    return absl::ZeroDuration();
  const absl::Duration since = picture.now - watch->advanced;
  return since < kPause ? absl::ZeroDuration() : since;
}

int64_t WorkersOf(const SchedulerShell::Picture& picture,
                  const TrainingJob& job) {
  return static_cast<int64_t>(picture.core.allotment().Of(job.id()).size());
}

int64_t WorkersWanted(const TrainingJob& job) {
  const int64_t most = job.parts().demand.max_workers();
  return most == 0 ? job.parts().demand.OpenWork()
                   : std::min(most, job.parts().demand.OpenWork());
}

int64_t WorkersToSpare(const SchedulerShell::Picture& picture,
                       const TrainingJob& job) {
  const int64_t most = job.parts().demand.max_workers();
  if (most <= 0 || job.marks().AllApplied()) return 0;
  const int64_t able = picture.core.cluster().WorkersFor(job.id());
  return std::max<int64_t>(0, able - most);
}

}  // namespace ebb::scheduler

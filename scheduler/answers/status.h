// The scheduler's picture of the cluster as messages for people.
#ifndef EBB_SCHEDULER_ANSWERS_STATUS_H_
#define EBB_SCHEDULER_ANSWERS_STATUS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"
#include "protocol/messages.h"
#include "scheduler/job/training_job.h"
#include "scheduler/scheduler_shell.h"

namespace ebb::scheduler {

v1::JobSummary SummaryOf(const SchedulerShell::Picture& picture,
                         const TrainingJob& job);
v1::JobStatus StatusOf(const SchedulerShell::Picture& picture,
                       const TrainingJob& job);
v1::ServerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const ServerInfo& server);
v1::WorkerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const WorkerInfo& worker);
// Of this job, and of none; of all jobs where it is 0.
void AddEvents(const SchedulerShell::Picture& picture, JobId job,
               v1::GetStatusResponse* response);
// 0 for a time that is not known.
int64_t UnixMs(absl::Time time);
// Returns where the job's partitions are served now.
Placement PlacementOf(const SchedulerShell::Picture& picture,
                      const TrainingJob& job);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_STATUS_H_

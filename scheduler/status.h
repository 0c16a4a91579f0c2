// The scheduler's picture of the cluster as messages for people.
#ifndef EBB_SCHEDULER_STATUS_H_
#define EBB_SCHEDULER_STATUS_H_

#include "ebb/v1/scheduler.pb.h"
#include "protocol/messages.h"
#include "scheduler/scheduler_shell.h"
#include "scheduler/training_job.h"

namespace ebb::scheduler {

v1::JobSummary SummaryOf(const SchedulerShell::Picture& picture,
                         const TrainingJob& job);
v1::JobStatus StatusOf(const SchedulerShell::Picture& picture,
                       const TrainingJob& job);
v1::ServerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const ServerInfo& server);
v1::WorkerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const WorkerInfo& worker);
// Adds events of this job and those of no job; of all jobs where it is 0.
void AddEvents(const SchedulerShell::Picture& picture, JobId job,
               v1::GetStatusResponse* response);
// How many workers the job has, and how many it could use now, however many
// there are.
int64_t WorkersOf(const SchedulerShell::Picture& picture,
                  const TrainingJob& job);
int64_t WorkersWanted(const TrainingJob& job);
// The servers that serve the job's partitions now.
Placement PlacementOf(const SchedulerShell::Picture& picture,
                      const TrainingJob& job);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_STATUS_H_

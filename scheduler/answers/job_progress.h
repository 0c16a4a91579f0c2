// How a job gets on, in figures that its status and the reasons for its
// standing still (explain.h) share.
#ifndef EBB_SCHEDULER_ANSWERS_JOB_PROGRESS_H_
#define EBB_SCHEDULER_ANSWERS_JOB_PROGRESS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "scheduler/job/training_job.h"
#include "scheduler/scheduler_shell.h"

namespace ebb::scheduler {

// Shorter pauses are nothing to explain.
inline constexpr absl::Duration kPause = absl::Seconds(1);

// Refusals of pushes that are longer ago are over.
inline constexpr absl::Duration kPushesBack = absl::Seconds(3);

// For how long nothing of the job was applied; zero: it advances, or is over.
absl::Duration NotAdvancing(const SchedulerShell::Picture& picture,
                            const TrainingJob& job);

// How many workers the job has, and how many it could use now, however many
// there are.
int64_t WorkersOf(const SchedulerShell::Picture& picture,
                  const TrainingJob& job);
int64_t WorkersWanted(const TrainingJob& job);
// How many more workers could work on it than it takes at once: it leaves them
// to other jobs.
int64_t WorkersToSpare(const SchedulerShell::Picture& picture,
                       const TrainingJob& job);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_JOB_PROGRESS_H_

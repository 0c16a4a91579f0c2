// Why a job does not advance: what waits for what.
#ifndef EBB_SCHEDULER_EXPLAIN_H_
#define EBB_SCHEDULER_EXPLAIN_H_

#include <vector>

#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"
#include "scheduler/scheduler_shell.h"
#include "scheduler/training_job.h"

namespace ebb::scheduler {

// Shorter pauses are nothing to explain.
inline constexpr absl::Duration kPause = absl::Seconds(1);

// Refusals of pushes that are longer ago are over.
inline constexpr absl::Duration kPushesBack = absl::Seconds(3);

// How long no push to the job was applied; zero: it advances, or is over.
absl::Duration NotAdvancing(const SchedulerShell::Picture& picture,
                            const TrainingJob& job);

// The most important first; none: the job advances, or is over.
std::vector<v1::WaitReason> ExplainJob(const SchedulerShell::Picture& picture,
                                       const TrainingJob& job);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_EXPLAIN_H_

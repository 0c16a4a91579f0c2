// Why a job does not advance: what waits for what.
#ifndef EBB_SCHEDULER_ANSWERS_EXPLAIN_H_
#define EBB_SCHEDULER_ANSWERS_EXPLAIN_H_

#include <vector>

#include "ebb/v1/scheduler.pb.h"
#include "scheduler/job/training_job.h"
#include "scheduler/scheduler_shell.h"

namespace ebb::scheduler {

// The most important first; none: the job advances, or is over. A complete job
// has reasons only if servers that have partitions of it do not serve them.
std::vector<v1::WaitReason> ExplainJob(const SchedulerShell::Picture& picture,
                                       const TrainingJob& job);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_EXPLAIN_H_

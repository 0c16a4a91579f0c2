// Tells where the values of a complete job are: the servers' disks may be all
// that has its model.
#ifndef EBB_SCHEDULER_ANSWERS_STORED_WHERE_H_
#define EBB_SCHEDULER_ANSWERS_STORED_WHERE_H_

#include <string>

#include "scheduler/job/training_job.h"

namespace ebb::scheduler {

// Returns JobStatus.stored_where. Empty: the job is not complete.
std::string StoredWhere(const TrainingJob& job);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_STORED_WHERE_H_

// The requirements of distributed algorithms on the rest of a job.
#ifndef EBB_JOB_ALGORITHM_RULES_H_
#define EBB_JOB_ALGORITHM_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::job {

// Checks the algorithm against the job's consistency, optimizers, filters,
// model and tables.
void CheckAlgorithmRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_ALGORITHM_RULES_H_

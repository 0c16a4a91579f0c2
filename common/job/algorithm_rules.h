// What distributed algorithms ask of the rest of a job.
#ifndef EBB_COMMON_JOB_ALGORITHM_RULES_H_
#define EBB_COMMON_JOB_ALGORITHM_RULES_H_

#include "common/job/complaints.h"
#include "ebb/v1/job.pb.h"

namespace ebb::job {

// Of its consistency, optimizers, filters, model and tables.
void CheckAlgorithmRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_COMMON_JOB_ALGORITHM_RULES_H_

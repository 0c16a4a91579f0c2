// Rules of jobs that are cross-validated.
#ifndef EBB_JOB_FOLD_RULES_H_
#define EBB_JOB_FOLD_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::job {

void CheckFoldRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_FOLD_RULES_H_

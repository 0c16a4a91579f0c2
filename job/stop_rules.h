// Rules of jobs that their evaluations end, or whose best version is kept.
#ifndef EBB_JOB_STOP_RULES_H_
#define EBB_JOB_STOP_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/validate.h"

namespace ebb::job {

// The job has its defaults.
void CheckStopRules(const v1::Job& job, const DataFacts& facts,
                    Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_STOP_RULES_H_

// Rules of jobs that programs compute, and of data that only programs know.
#ifndef EBB_JOB_PROGRAM_RULES_H_
#define EBB_JOB_PROGRAM_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::job {

// The job has its defaults.
void CheckProgramRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_PROGRAM_RULES_H_

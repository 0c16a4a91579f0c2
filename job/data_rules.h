// Rules about the data of a job, and of a job about its data.
#ifndef EBB_JOB_DATA_RULES_H_
#define EBB_JOB_DATA_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/validate.h"

namespace ebb::job {

// Checks the data as the job names them.
void CheckSourceRules(const v1::Job& job, Complaints* found);
// Checks what was found in the data. Absent `facts` are not checked.
void CheckFactRules(const v1::Job& job, const DataFacts& facts,
                    Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_DATA_RULES_H_

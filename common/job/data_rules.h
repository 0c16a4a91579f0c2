// Rules about the data of a job, and of a job about its data.
#ifndef EBB_COMMON_JOB_DATA_RULES_H_
#define EBB_COMMON_JOB_DATA_RULES_H_

#include "common/job/complaints.h"
#include "common/job/validate.h"
#include "ebb/v1/job.pb.h"

namespace ebb::job {

// Of its data as the job names them.
void CheckSourceRules(const v1::Job& job, Complaints* found);
// Of what was found in them. What is absent in `facts` is not checked.
void CheckFactRules(const v1::Job& job, const DataFacts& facts,
                    Complaints* found);

}  // namespace ebb::job

#endif  // EBB_COMMON_JOB_DATA_RULES_H_

// Rules of jobs that begin from another model or keep a part of theirs.
#ifndef EBB_JOB_TRANSFER_RULES_H_
#define EBB_JOB_TRANSFER_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::job {

void CheckTransferRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_TRANSFER_RULES_H_

// Rules of jobs that programs compute, and of data that only programs know.
#ifndef EBB_JOB_PROGRAM_RULES_H_
#define EBB_JOB_PROGRAM_RULES_H_

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/complaints.h"

namespace ebb::job {

// Whether a dense table may have this name: tables are tensors in files, and
// files in folders.
bool IsTableName(absl::string_view name);

// The job has its defaults.
void CheckProgramRules(const v1::Job& job, Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_PROGRAM_RULES_H_

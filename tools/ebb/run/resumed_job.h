// The job of a run that is gone on with.
#ifndef EBB_TOOLS_EBB_RUN_RESUMED_JOB_H_
#define EBB_TOOLS_EBB_RUN_RESUMED_JOB_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/ebb/job/submission.h"

namespace ebb::tools {

// As many epochs as the run has, where the job file and the flags leave their
// number to the data: a run that --epochs gave another number goes on with
// that. Else `prepared` as it is. `stored` is the specification of
// the run; empty: it has none. The errors of PrepareJob.
absl::StatusOr<PreparedJob> KeepEpochsOfRun(const JobChoice& choice,
                                            absl::string_view stored,
                                            PreparedJob prepared);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_RESUMED_JOB_H_

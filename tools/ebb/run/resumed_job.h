// The job of a run that is gone on with.
#ifndef EBB_TOOLS_EBB_RUN_RESUMED_JOB_H_
#define EBB_TOOLS_EBB_RUN_RESUMED_JOB_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/ebb/job/submission.h"

namespace ebb::tools {

// Keeps the algorithm, epochs, batch and most workers of the run where the job
// file and the flags leave them open. With another number of epochs, or by a
// newer ebb, others would be chosen, and the run has its grid of batches
// already. Else it returns `prepared` as it is. `stored` is the specification
// of the run; empty: it has none. The errors of PrepareJob.
absl::StatusOr<PreparedJob> KeepChoicesOfRun(const JobChoice& choice,
                                             absl::string_view stored,
                                             PreparedJob prepared);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_RESUMED_JOB_H_

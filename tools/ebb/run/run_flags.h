// The common flags of `ebb run` and `ebb chaos`.
#ifndef EBB_TOOLS_EBB_RUN_RUN_FLAGS_H_
#define EBB_TOOLS_EBB_RUN_RUN_FLAGS_H_

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "tools/ebb/report/run_report.h"
#include "tools/ebb/run/local_run.h"

namespace ebb::tools {

// --servers, --workers, --memory, --tls, --batch-time, --statuses, --report,
// --run-dir, --quiet, --details.
void AddRunFlags(CLI::App* command, RunOptions* run);

// The whole run; returns the exit code.
int RunToItsEnd(const RunOptions& run);
// Returns the exit code of a run. Writes why it failed to standard error, or,
// of a run that began, only if `tell_problems`.
int ExitCodeOf(const absl::StatusOr<RunReport>& report, bool tell_problems);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_RUN_FLAGS_H_

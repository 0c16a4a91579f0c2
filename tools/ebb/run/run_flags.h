// The common flags of `ebb run` and `ebb chaos`.
#ifndef EBB_TOOLS_EBB_RUN_RUN_FLAGS_H_
#define EBB_TOOLS_EBB_RUN_RUN_FLAGS_H_

#include "CLI/CLI.hpp"
#include "tools/ebb/run/local_run.h"

namespace ebb::tools {

// --servers, --workers, --memory, --tls, --report, --run-dir, --quiet,
// --details.
void AddRunFlags(CLI::App* command, RunOptions* run);

// The whole run; returns the exit code.
int RunToItsEnd(const RunOptions& run);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_RUN_FLAGS_H_

// `ebb run SCRIPT.py`: programs train on a cluster of their own on this
// machine.
#ifndef EBB_TOOLS_EBB_RUN_PROGRAM_RUN_H_
#define EBB_TOOLS_EBB_RUN_PROGRAM_RUN_H_

#include "absl/status/statusor.h"
#include "tools/ebb/report/run_report.h"
#include "tools/ebb/run/local_run.h"
#include "tools/ebb/run/programs.h"

namespace ebb::tools {

// Does the whole run: starts the program as often as `options.workers` says,
// watches it and the jobs that it submits, and audits them when all have ended.
// Prints as it goes, but for the problems of the report, which may be long. It
// takes the options that do not describe a job or its memory. Errors
// are as of RunLocally; FailedPrecondition: Python lacks a package, or a report
// cannot be copied.
absl::StatusOr<RunReport> RunProgram(const RunOptions& options,
                                     const ProgramCommand& command);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_PROGRAM_RUN_H_

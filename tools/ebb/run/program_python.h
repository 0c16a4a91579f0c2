// The Python of `ebb run SCRIPT.py`, and what its programs find around them.
#ifndef EBB_TOOLS_EBB_RUN_PROGRAM_PYTHON_H_
#define EBB_TOOLS_EBB_RUN_PROGRAM_PYTHON_H_

#include <string>

#include "absl/status/statusor.h"

namespace ebb::tools {

// Prepares the environment of this process, which daemons and programs get: it
// keeps no flag of ebb's programs (EBB_*), as those speak of another cluster,
// and it leads Python to the package beside this program and to its folder
// (EBB_BIN). Call it before any thread starts.
void PrepareEnvironment();

// Returns the path of the interpreter: `python3`, or what EBB_PYTHON names.
// Blocks for the start of one. InvalidArgument: it cannot be started.
// FailedPrecondition: it lacks the package ebb or NumPy.
absl::StatusOr<std::string> FindPython();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_PROGRAM_PYTHON_H_

// The words of a command line that are meant for another program.
#ifndef EBB_TOOLS_COMMAND_PROGRAM_ARGUMENTS_H_
#define EBB_TOOLS_COMMAND_PROGRAM_ARGUMENTS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// Returns whether a run of this file is one of a program, a file *.py, and not
// of a job file.
bool IsProgramFile(absl::string_view file);

// Puts the words behind the first `--` of `ebb run SCRIPT.py -- ARGUMENTS`
// aside, which no parser is to look at. Returns the number of words before it;
// any other command line stays whole. Call it once, at the start.
int TakeProgramArguments(int argc, const char* const* argv);
// Returns the words that were put aside.
const std::vector<std::string>& ProgramArguments();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_PROGRAM_ARGUMENTS_H_

// `ebb run SCRIPT.py`: the part of ebb's Python package that runs it.
#ifndef EBB_TOOLS_COMMAND_PYTHON_SCRIPT_H_
#define EBB_TOOLS_COMMAND_PYTHON_SCRIPT_H_

namespace ebb::tools {

// Returns whether the command line is `run` with a Python program, a file
// *.py, in place of a job file.
bool RunsPythonScript(int argc, const char* const* argv);

// Replaces this process by `python3` with ebb.script, which gets the arguments
// behind `run`. EBB_PYTHON names another interpreter. Returns an exit code if
// that is not possible, and prints why.
int BecomePythonScript(int argc, char** argv);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_PYTHON_SCRIPT_H_

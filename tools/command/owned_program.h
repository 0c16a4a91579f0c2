// A program that ends with the process that started it, whatever program it is.
#ifndef EBB_TOOLS_COMMAND_OWNED_PROGRAM_H_
#define EBB_TOOLS_COMMAND_OWNED_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace ebb::tools {

// Returns the command line, of `ebb` beside this program, that becomes the
// program of `argv`. The kernel kills it when the thread of `owner` that
// started it ends (prctl(2), PR_SET_PDEATHSIG). The program is looked for in
// PATH if it has no slash.
std::vector<std::string> OwnedBy(pid_t owner,
                                 const std::vector<std::string>& argv);

// Returns whether the command line is one that OwnedBy made.
bool IsOwned(int argc, const char* const* argv);

// Becomes the program, which can be asked to leave by SIGINT though this
// process ignores it. Returns an exit code if that is not possible, and prints
// why.
int BecomeOwned(int argc, char** argv);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_OWNED_PROGRAM_H_

// Commands that are a program of their own: `ebb bench` runs ebb-bench, which
// stands beside ebb. What a first job does not need is not built for it.
#ifndef EBB_TOOLS_COMMAND_EXTERNAL_COMMAND_H_
#define EBB_TOOLS_COMMAND_EXTERNAL_COMMAND_H_

#include <string>

#include "CLI/CLI.hpp"

namespace ebb::tools {

// Adds `ebb NAME`, which becomes the program ebb-NAME with all arguments of the
// command line, --help among them. If there is no such program beside this one,
// it says how to get it, and the exit code is kExitUsage. `argv` is main's, and
// `exit_code` outlives the parse.
CLI::App* AddExternalCommand(CLI::App* app, const std::string& name,
                             const std::string& help, char** argv,
                             int* exit_code);

// Runs `main` of such a program: a command line whose only command is `name`,
// which may be left out.
int ExternalMain(const std::string& name, int argc, char** argv);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_EXTERNAL_COMMAND_H_

// The commands that the build found for this program.
#ifndef EBB_TOOLS_COMMAND_COMMANDS_H_
#define EBB_TOOLS_COMMAND_COMMANDS_H_

#include "CLI/CLI.hpp"

namespace ebb::tools {

// Adds all of them (commands.cmake). The app and the code outlive the parse.
void AddCommands(CLI::App* app, int* exit_code);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_COMMANDS_H_

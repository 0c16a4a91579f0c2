// The command line of `ebb`, or of a program that it runs: it parses the line
// and runs the command that the line names.
#ifndef EBB_TOOLS_COMMAND_COMMAND_LINE_H_
#define EBB_TOOLS_COMMAND_COMMAND_LINE_H_

#include <string>

#include "CLI/CLI.hpp"

namespace ebb::tools {

// Sets up what the libraries log: they log for daemons, and a tool shows only
// what is wrong. Called first in main.
void StartTool(const char* program);

// Parses the line and runs its command, which sets `*exit_code`. Prints what is
// wrong with the line. Returns what the program exits with.
int RunCommandLine(CLI::App* app, int argc, char** argv, int* exit_code);

// Says what is wrong when a word of the command line should name a command and
// does not: the parser would only ask for one. Empty: nothing is wrong.
std::string UnknownCommand(const CLI::App& app, int argc,
                           const char* const* argv);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_COMMAND_LINE_H_

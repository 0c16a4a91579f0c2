// The parts of which every command of `ebb` is made.
//
// A command is one file, NAME_command.cc, with one function
// `void AddNameCommand(CLI::App* parent, int* exit_code)` in namespace
// ebb::tools. It adds the command to the command line, and its callback sets
// `*exit_code` when the line names it; the parent and the code outlive the
// parse. The build lists the files and calls the function of each
// (tools/command/commands.cmake): PARENT_NAME_command.cc is a command below
// `ebb PARENT`, where there is a PARENT_command.cc.
#ifndef EBB_TOOLS_COMMAND_COMMAND_H_
#define EBB_TOOLS_COMMAND_COMMAND_H_

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::tools {

// The exit codes of every `ebb`.
enum ExitCode {
  kExitGood = 0,
  kExitFailed = 1,  // It ran, and something is wrong.
  kExitUsage = 2,   // A wrong flag or job file: nothing was started.
  kExitInterrupted = 130,
};

// Adds a flag for a duration such as "500ms"; a bare number is seconds.
void AddDurationFlag(CLI::App* command, const std::string& name,
                     absl::Duration* value, const std::string& help);
// Adds --json, which prints for programs instead of people.
void AddJsonFlag(CLI::App* command, bool* json);

// Prints an error as people read it: a job's mistakes as they are. Returns the
// exit code that fits.
int Report(const absl::Status& status);

// Says how to get `ebb NAME`, a program of its own that is not beside this one:
// the command that builds it, and how long that takes; or the package.
std::string HowToGet(absl::string_view name);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_COMMAND_H_

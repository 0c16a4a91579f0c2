// `ebb completion`.
#include <iostream>

#include "tools/command/command.h"

namespace ebb::tools {

extern const char kBashCompletion[];  // completion_script.cc.in

void AddCompletionCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "completion",
      "Prints a script that makes bash complete commands and flags");
  command->footer(R"(
Packages install it where bash finds it; otherwise put this line into ~/.bashrc.
Example:
  source <(ebb completion))");
  command->callback([exit_code] {
    std::cout << kBashCompletion;
    *exit_code = kExitGood;
  });
}

}  // namespace ebb::tools

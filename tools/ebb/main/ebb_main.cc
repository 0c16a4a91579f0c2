// ebb: the command that people use.
#include "CLI/CLI.hpp"
#include "tools/command/command.h"
#include "tools/command/command_line.h"
#include "tools/command/commands.h"
#include "tools/command/external_command.h"
#include "tools/command/owned_program.h"
#include "tools/command/program_arguments.h"

int main(int argc, char** argv) {
  // First: another program is to find all as it was.
  if (ebb::tools::IsOwned(argc, argv)) {
    return ebb::tools::BecomeOwned(argc, argv);
  }
  ebb::tools::StartTool(argv[0]);
  argc = ebb::tools::TakeProgramArguments(argc, argv);
  CLI::App app("ebb: trains models on machines that may go away.", "ebb");
  app.set_version_flag("--version", EBB_VERSION);
  app.require_subcommand(1);
  app.footer(R"(
Example:
  ebb run examples/jobs/fashion_mlp.yaml
`ebb COMMAND --help` has more on each.)");
  int exit_code = ebb::tools::kExitGood;
  ebb::tools::AddCommands(&app, &exit_code);
  // A first job needs none of these: they are programs of their own.
  const auto add = [&](const char* name, const char* help, const char* group) {
    ebb::tools::AddExternalCommand(&app, name, help, argv, &exit_code)
        ->group(group);
  };
  add("sweep", "Trains a job with many settings, and ranks what came of them",
      "Sweeps");
  add("advise", "Says which machines train a job in time for the least money",
      "Machines");
  add("sim", "Tries the protocol under simulated faults, seed by seed",
      "Experiments");
  add("bench", "Measures ebb on this machine", "Experiments");
  return ebb::tools::RunCommandLine(&app, argc, argv, &exit_code);
}

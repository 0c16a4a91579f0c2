// ebb: the command that people use.
#include <cstdlib>
#include <iostream>

#include "CLI/CLI.hpp"
#include "common/program/flag_mistake.h"
#include "glog/logging.h"
#include "rpc/admin.h"
#include "tools/ebb/command.h"

int main(int argc, char** argv) {
  // What the libraries log is for daemons: here only what is wrong.
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::GLOG_ERROR;
  google::InitGoogleLogging(argv[0]);
  if (std::getenv("GRPC_VERBOSITY") == nullptr) ebb::rpc::SilenceGrpc();
  CLI::App app("ebb: trains models on machines that may go away.", "ebb");
  app.set_version_flag("--version", EBB_VERSION);
  app.require_subcommand(1);
  app.footer(R"(
Example:
  ebb run examples/jobs/fashion_mlp.yaml
`ebb COMMAND --help` has more on each.)");
  int exit_code = ebb::tools::kExitGood;
  ebb::tools::AddRunCommand(&app, &exit_code);
  ebb::tools::AddChaosCommand(&app, &exit_code);
  ebb::tools::AddJobCommand(&app, &exit_code);
  ebb::tools::AddSubmitCommand(&app, &exit_code);
  ebb::tools::AddStatusCommand(&app, &exit_code);
  ebb::tools::AddExplainCommand(&app, &exit_code);
  ebb::tools::AddAuditCommand(&app, &exit_code);
  ebb::tools::AddPauseCommand(&app, &exit_code);
  ebb::tools::AddResumeCommand(&app, &exit_code);
  ebb::tools::AddScaleCommand(&app, &exit_code);
  ebb::tools::AddCancelCommand(&app, &exit_code);
  ebb::tools::AddForgetCommand(&app, &exit_code);
  ebb::tools::AddEventsCommand(&app, &exit_code);
  ebb::tools::AddHealthCommand(&app, &exit_code);
  ebb::tools::AddCheckpointCommand(&app, &exit_code);
  ebb::tools::AddPredictCommand(&app, &exit_code);
  ebb::tools::AddGenerateCommand(&app, &exit_code);
  ebb::tools::AddDataCommand(&app, &exit_code);
  ebb::tools::AddCertsCommand(&app, &exit_code);
  ebb::tools::AddSimCommand(&app, &exit_code);
  ebb::tools::AddBenchCommand(&app, &exit_code);
  ebb::tools::AddCompletionCommand(&app, &exit_code);
  const std::string unknown = ebb::tools::UnknownCommand(app, argc, argv);
  if (!unknown.empty()) {
    std::cerr << "ebb: " << unknown << "\n";
    return ebb::tools::kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    std::cerr << ebb::FlagMistake(app, error, argc, argv);
    return ebb::tools::kExitUsage;
  }
  return exit_code;
}

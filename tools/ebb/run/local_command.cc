// `ebb local`, for ebb.local of Python: --help does not show it.
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/command/command.h"
#include "tools/ebb/run/served_cluster.h"
#include "tools/files/files.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

int Serve(const ServedClusterOptions& options) {
  const absl::Status served = ServeCluster(options, STDIN_FILENO, std::cout);
  if (served.ok()) return kExitGood;
  Json answer = Json::Object();
  answer["number"] = 0;
  answer["error"] = served.message();
  std::cout << answer.ToLine() << std::endl;
  return kExitFailed;
}

void AddFlagsOf(CLI::App* command, const std::string& name,
                std::vector<std::string>* flags) {
  command->add_option(name, *flags, "A further word for them, as NAME=WORD")
      ->allow_extra_args(false);
}

}  // namespace

void AddLocalCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "local", "Keeps a cluster for the process that starts it");
  command->group("");
  const auto options = std::make_shared<ServedClusterOptions>();
  LocalClusterOptions& cluster = options->cluster;
  cluster.data_sets = true;
  cluster.awaits_servers = true;
  cluster.program_folder = ProgramFolder();
  cluster.sources.clear();
  command->add_option("--folder", options->folder, "Folder of all its files")
      ->required();
  command->add_option("--servers", cluster.servers, "Parameter servers")
      ->required();
  command->add_option("--workers", cluster.workers, "Workers")->required();
  AddFlagsOf(command, "--scheduler-flag", &cluster.scheduler_flags);
  AddFlagsOf(command, "--server-flag", &cluster.server_flags);
  AddFlagsOf(command, "--worker-flag", &cluster.worker_flags);
  command->add_option("--leave-with-parent", options->parent,
                      "End at once when the process PID, which starts this "
                      "one, ends");
  command->footer(R"(
It reads requests from the standard input, and answers them
(tools/ebb/run/served_cluster.h).)");
  command->callback([options, exit_code] { *exit_code = Serve(*options); });
}

}  // namespace ebb::tools

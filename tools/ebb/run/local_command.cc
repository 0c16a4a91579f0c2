// `ebb local`, for ebb.local of Python: --help does not show it.
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
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

// "ROLE=FLAG", which is for all daemons of that role.
void AddFlag(absl::string_view text, LocalClusterOptions* options) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('=', 1));
  const std::map<absl::string_view, std::vector<std::string>*> by_role = {
      {"scheduler", &options->scheduler_flags},
      {"ps", &options->server_flags},
      {"worker", &options->worker_flags}};
  const auto flags = by_role.find(parts.first);
  if (flags == by_role.end()) {
    throw CLI::ValidationError(
        "flags",
        absl::StrCat("\"", parts.first, "\" is not a role of a daemon"));
  }
  flags->second->emplace_back(parts.second);
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
  command->add_option("--leave-with-parent", options->parent,
                      "End at once when the process PID, which starts this "
                      "one, ends");
  const auto flags = std::make_shared<std::vector<std::string>>();
  command->add_option("flags", *flags,
                      "ROLE=FLAG: further words for the command lines of all "
                      "daemons of a role: scheduler, ps, worker");
  command->footer(R"(
It reads requests from the standard input, and answers them
(tools/ebb/run/served_cluster.h).)");
  command->callback([options, flags, exit_code] {
    for (const std::string& flag : *flags) AddFlag(flag, &options->cluster);
    *exit_code = Serve(*options);
  });
}

}  // namespace ebb::tools

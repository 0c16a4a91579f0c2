#include "tools/command/command_line.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"
#include "common/program/flag_mistake.h"
#include "glog/logging.h"
#include "rpc/admin.h"
#include "tools/command/command.h"

namespace ebb::tools {

namespace {

// Says that no command has this name, and which one was probably meant.
std::string NoCommand(const std::string& word,
                      const std::vector<std::string>& names) {
  const std::string near = NearestName(word, names);
  std::error_code error;
  return absl::StrCat(
      "there is no command ", word,
      !near.empty() ? absl::StrCat("; is it ", near, "?")
      : std::ranges::count(names, "run") > 0 &&
              std::filesystem::exists(word, error)
          ? absl::StrCat("; to train with this file: ebb run ", word)
          : absl::StrCat("; there are: ", absl::StrJoin(names, ", ")));
}

}  // namespace

void StartTool(const char* program) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::GLOG_ERROR;
  google::InitGoogleLogging(program);
  if (std::getenv("GRPC_VERBOSITY") == nullptr) rpc::SilenceGrpc();
}

int RunCommandLine(CLI::App* app, int argc, char** argv, int* exit_code) {
  const std::string unknown = UnknownCommand(*app, argc, argv);
  if (!unknown.empty()) {
    std::cerr << "ebb: " << unknown << "\n";
    return kExitUsage;
  }
  if (const std::string empty = EmptyArgument(*app, argc, argv);
      !empty.empty()) {
    std::cerr << empty;
    return kExitUsage;
  }
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app->exit(error);  // --help
    std::cerr << FlagMistake(*app, error, argc, argv);
    return kExitUsage;
  }
  return *exit_code;
}

std::string UnknownCommand(const CLI::App& app, int argc,
                           const char* const* argv) {
  const CLI::App* at = &app;
  for (int i = 1; i < argc && at->get_require_subcommand_min() > 0; ++i) {
    const std::string word = argv[i];
    if (absl::StartsWith(word, "-")) return "";  // The parser says more.
    const CLI::App* named = nullptr;
    std::vector<std::string> names;
    for (const CLI::App* command : at->get_subcommands({})) {
      if (command->get_name() == word) named = command;
      // One without a group is for ebb itself.
      if (!command->get_group().empty()) names.push_back(command->get_name());
    }
    if (named == nullptr) return NoCommand(word, names);
    at = named;
  }
  return "";
}

}  // namespace ebb::tools

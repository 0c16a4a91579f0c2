#include "tools/ebb/command.h"

#include <cstdint>
#include <filesystem>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/plugin_file.h"
#include "common/program/daemon.h"
#include "common/program/tls_flags.h"

namespace ebb::tools {

void AddAccessFlags(CLI::App* command, ClusterAccess* access) {
  access->scheduler = "127.0.0.1:7000";
  command
      ->add_option("--scheduler", access->scheduler,
                   "HOST:PORT of the scheduler")
      ->envname("EBB_SCHEDULER")
      ->check([](const std::string& text) {
        return CheckFlagAddress(text, /*listens=*/false);
      })
      ->capture_default_str();
  AddTlsFlags(command, &access->tls);
  command
      ->add_option(
          "--token-file", access->token_file,
          "File with the token of the job; default: where submit put it")
      ->type_name("FILE")
      ->envname("EBB_TOKEN_FILE")
      ->group("Security");
}

void AddStoredJobFlag(CLI::App* command, std::string* job) {
  command->add_option("--job", *job,
                      "Name or number of the job, if a folder holds several");
}

void AddStoredJob(CLI::App* command, CheckpointPlace* place) {
  AddAccessFlags(command, &place->access);
  command
      ->add_option("JOB", place->name,
                   "Name or number of a job, the folder of an ebb run, or the "
                   "--state-dir of an ebb-ps")
      ->required();
  AddStoredJobFlag(command, &place->job);
}

JobChoice JobFlags::Choice() const {
  JobChoice choice;
  choice.file = file;
  if (!epochs.empty()) {
    choice.overrides.push_back(absl::StrCat("train.epochs=", epochs));
  }
  if (!seed.empty()) {
    // All that is drawn, the order of the data too.
    choice.overrides.push_back(absl::StrCat("seed=", seed));
    choice.overrides.push_back(absl::StrCat("train.shuffle_seed=", seed));
  }
  choice.overrides.insert(choice.overrides.end(), set.begin(), set.end());
  for (const std::string& folder : plugin_folders) {
    choice.plugin_folders.push_back(std::filesystem::absolute(folder).string());
  }
  return choice;
}

void AddJobFlags(CLI::App* command, JobFlags* flags) {
  command->add_option("JOB", flags->file, "Job file (YAML)")->required();
  command
      ->add_option("--epochs", flags->epochs, "Epochs; overrides train.epochs")
      ->check([](const std::string& text) {
        int64_t epochs = 0;
        return absl::SimpleAtoi(text, &epochs) && epochs > 0
                   ? std::string()
                   : text + " is no number of epochs: write 1 or more";
      });
  command->add_option("--seed", flags->seed,
                      "Overrides seed and train.shuffle_seed");
  command
      ->add_option("--set", flags->set,
                   "KEY=VALUE: set a key of the job, e.g. optimizer.rate=0.01; "
                   "may be repeated")
      ->allow_extra_args(false);
  AddPluginsFlag(command, &flags->plugin_folders);
}

void AddPluginsFlag(CLI::App* command, std::vector<std::string>* folders) {
  command
      ->add_option("--allow-plugins", *folders,
                   "Folder from which ebb may load models; others must not be "
                   "able to write to it; may be repeated")
      ->check(CLI::ExistingDirectory)
      ->check([](const std::string& folder) {
        return std::string(CheckPluginFolder(folder).message());
      })
      ->allow_extra_args(false);
}

void AddDurationFlag(CLI::App* command, const std::string& name,
                     absl::Duration* value, const std::string& help) {
  command->add_option_function<std::string>(
      name,
      [name, value](const std::string& text) {
        double seconds = 0;
        if (absl::SimpleAtod(text, &seconds)) {
          *value = absl::Seconds(seconds);
        } else if (!absl::ParseDuration(text, value)) {
          throw CLI::ValidationError(
              name, "\"" + text + "\" is no duration; write 10 or 500ms");
        }
        if (*value <= absl::ZeroDuration() ||
            *value == absl::InfiniteDuration()) {
          throw CLI::ValidationError(name, "it must be more than nothing");
        }
      },
      help);
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
      names.push_back(command->get_name());
    }
    if (named == nullptr) {
      return absl::StrCat("there is no command ", word,
                          "; there are: ", absl::StrJoin(names, ", "));
    }
    at = named;
  }
  return "";
}

int Report(const absl::Status& status) {
  if (status.ok()) return kExitGood;
  // Mistakes of a job file begin with its place, as compilers' do.
  const bool place = absl::IsInvalidArgument(status) &&
                     absl::StrContains(status.message(), ".yaml:");
  std::cerr << (place ? "" : "ebb: ") << status.message();
  if (status.message().empty() || status.message().back() != '\n') {
    std::cerr << "\n";
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

}  // namespace ebb::tools

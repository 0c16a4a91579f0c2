#include "tools/ebb/job/job_flags.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/plugin_file.h"
#include "job/unknown_key.h"
#include "tools/files/standard_input.h"

namespace ebb::tools {

JobChoice JobFlags::Choice() const {
  JobChoice choice;
  // What cannot be read is told of when the file is.
  choice.file =
      file == kStandardInput ? KeepStandardInput().value_or(file) : file;
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

namespace {

// Flags that other tools have for what is a key of a job. They are in no help,
// and say how the key is set.
void AddNamesElsewhere(CLI::App* command) {
  std::map<std::string, std::string> names = job::NamesElsewhere();
  names.erase("rate");  // A flag of `ebb advise`.
  names.emplace("batch", "train.batch");
  for (const auto& [name, path] : names) {
    // Words of data are flags of some commands: --target of `ebb bench`.
    if (absl::StartsWith(path, "data.")) continue;
    const std::string flag =
        absl::StrCat("--", absl::StrReplaceAll(name, {{"_", "-"}}));
    const auto refuse = [command, flag, path = path](const std::string& value) {
      const std::string shown = absl::Utf8SafeCEscape(value.substr(0, 60));
      const std::vector<std::string> job =
          command->get_option("JOB")->results();
      const bool script = !job.empty() && absl::EndsWith(job.front(), ".py");
      throw CLI::ValidationError(
          flag, script
                    ? absl::StrCat("it is not a flag of ebb; behind -- it is "
                                   "one of the program: ",
                                   job.front(), " -- ", flag, " ", shown)
                    : absl::StrCat("it is a key of the job: --set ", path, "=",
                                   shown));
    };
    command->add_option_function<std::string>(flag, refuse)->group("");
  }
}

}  // namespace

void AddJobFlags(CLI::App* command, JobFlags* flags) {
  command
      ->add_option("JOB", flags->file, "Job file (YAML); -: the standard input")
      ->required();
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
  AddNamesElsewhere(command);
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

}  // namespace ebb::tools

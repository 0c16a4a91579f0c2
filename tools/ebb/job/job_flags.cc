#include "tools/ebb/job/job_flags.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/plugin_file.h"

namespace ebb::tools {

namespace {

// A job file is read more than once, and a pipe cannot be: the standard input
// becomes a file in memory, which ends with the process.
std::string KeptInput() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const int fd = memfd_create("stdin", MFD_CLOEXEC);
  size_t written = 0;
  while (fd >= 0 && written < text.size()) {
    const ssize_t some =
        write(fd, text.data() + written, text.size() - written);
    if (some <= 0) break;
    written += static_cast<size_t>(some);
  }
  return absl::StrCat("/proc/self/fd/", fd);
}

}  // namespace

JobChoice JobFlags::Choice() const {
  JobChoice choice;
  choice.file = file == "-" ? KeptInput() : file;
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

// `ebb sweep best`.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "sweep/folds.h"
#include "sweep/sweep_file.h"
#include "sweep/trial_file.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/sweep/trial_jobs.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct BestFlags {
  std::string sweep;
  std::vector<std::string> set;
  ClusterAccess access;
};

absl::StatusOr<std::string> BestOfFolder(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/best.yaml");
  std::error_code error;
  if (std::filesystem::exists(path, error)) return ReadFile(path);
  return absl::NotFoundError(absl::StrCat(
      folder,
      " has no best.yaml: it is no folder of a sweep, or none of its "
      "trials has a result yet"));
}

// The runs/NAME-N with the highest N.
absl::StatusOr<std::string> NewestRun(const std::string& name) {
  int highest = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("runs", error)) {
    const std::string file = entry.path().filename().string();
    absl::string_view rest = file;
    int number = 0;
    if (absl::ConsumePrefix(&rest, absl::StrCat(name, "-")) &&
        absl::SimpleAtoi(rest, &number)) {
      highest = std::max(highest, number);
    }
  }
  if (highest > 0) return absl::StrCat("runs/", name, "-", highest);
  return absl::NotFoundError(
      absl::StrCat("there is no runs/", name,
                   "-N here. Name the folder of the sweep, or "
                   "with --scheduler the cluster on which it ran"));
}

absl::StatusOr<std::string> Best(BestFlags& flags, bool cluster) {
  std::error_code error;
  if (std::filesystem::is_directory(flags.sweep, error)) {
    return BestOfFolder(flags.sweep);
  }
  const sweep::SweepFile file = sweep::ReadSweepFile(flags.sweep, flags.set);
  if (!file.ok()) return job::ToStatus(file.mistakes);
  if (!cluster) {
    EBB_ASSIGN_OR_RETURN(const std::string folder, NewestRun(file.sweep.name));
    return BestOfFolder(folder);
  }
  EBB_RETURN_IF_ERROR(flags.access.Open());
  TrialJobs jobs(&file, flags.access.scheduler, flags.access.security);
  EBB_ASSIGN_OR_RETURN(std::vector<sweep::Trial> trials, jobs.Read());
  if (file.sweep.folds > 0) {
    trials = sweep::WholesOf(sweep::SettingsOf(file.sweep, trials));
  }
  const auto best = sweep::BestOf(trials);
  if (!best) {
    return absl::NotFoundError(absl::StrCat("no trial of ", file.sweep.name,
                                            " at ", flags.access.scheduler,
                                            " has a result yet"));
  }
  return sweep::BestFile(file, trials[*best].number, trials[*best].choices);
}

}  // namespace

void AddSweepBestCommand(CLI::App* parent, int* exit_code) {
  const auto flags = std::make_shared<BestFlags>();
  CLI::App* command =
      parent->add_subcommand("best", "Prints the job file of the best trial");
  command
      ->add_option("SWEEP", flags->sweep,
                   "Sweep file, or the folder of a sweep")
      ->required();
  command
      ->add_option("--set", flags->set,
                   "KEY=VALUE: as `ebb sweep` was given it; may be repeated")
      ->allow_extra_args(false);
  AddAccessFlags(command, &flags->access);
  command->footer(R"(
The best is the complete trial with the best result. Without --scheduler it is
that of the folder, or of the newest run of the sweep.
Example:
  ebb sweep best examples/sweeps/fashion.yaml | ebb run -)");
  command->callback([command, flags, exit_code] {
    const auto text =
        Best(*flags, command->get_option("--scheduler")->count() > 0);
    if (!text.ok()) {
      *exit_code = Report(text.status());
      return;
    }
    std::cout << *text;
    *exit_code = kExitGood;
  });
}

}  // namespace ebb::tools

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
#include "common/nearest.h"
#include "common/status_macros.h"
#include "sweep/folds.h"
#include "sweep/sweep_file.h"
#include "sweep/trial_file.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/sweep/study_flags.h"
#include "tools/ebb/sweep/study_journal.h"
#include "tools/ebb/sweep/trial_jobs.h"
#include "tools/files/files.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

struct BestFlags {
  StudyFlags study;
  std::string folder;
  ClusterAccess access;
};

absl::StatusOr<std::string> BestOfFolder(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": there is no such folder", IsItPath(folder),
                     "\nhint: `ebb sweep` keeps a sweep in "
                     "runs/NAME-N, or where its --run-dir says"));
  }
  const std::string path = absl::StrCat(folder, "/best.yaml");
  if (std::filesystem::exists(path, error)) return ReadFile(path);
  if (!std::filesystem::is_directory(absl::StrCat(folder, "/trials"), error)) {
    return absl::NotFoundError(
        absl::StrCat(folder, " holds no sweep: it has no trials/"));
  }
  return absl::NotFoundError(absl::StrCat(
      folder,
      " has no best.yaml: no trial of the sweep has a result yet, or it trains "
      "the folds of one job, of which none is the best"));
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
                   "-N here\nhint: --run-dir names the folder of the sweep, "
                   "--scheduler the cluster on which it ran, and --study the "
                   "file of a study"));
}

// The best of the trials that a program asked for: its job file, or its choices
// where the sweep file names no job.
absl::StatusOr<std::string> BestOfStudy(const sweep::SweepFile& file,
                                        const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return absl::NotFoundError(
        absl::StrCat(path, ": there is no such study", IsItPath(path),
                     "\nhint: `ebb sweep ask` begins one, in "
                     "NAME.study or where its --study says"));
  }
  EBB_ASSIGN_OR_RETURN(const auto journal, StudyJournal::Open(file, path));
  const std::vector<sweep::Trial>& trials = journal->trials();
  const auto best = sweep::BestOf(trials);
  if (!best) {
    return absl::NotFoundError(
        absl::StrCat("no trial of the study ", path, " has a result yet"));
  }
  const sweep::Trial& trial = trials[*best];
  if (!file.job_file.empty()) {
    return sweep::BestFile(file, trial.number, trial.choices);
  }
  Json line = Json::Object();
  line["trial"] = trial.number;
  line["value"] = sweep::Directed(file.sweep, *sweep::ResultOf(trial));
  line["set"] = Json::Object();
  for (const auto& [key, value] : trial.choices) line["set"][key] = value;
  return absl::StrCat(line.ToLine(), "\n");
}

absl::StatusOr<std::string> Best(BestFlags& flags, bool cluster) {
  const StudyFlags& study = flags.study;
  if (!flags.folder.empty()) return BestOfFolder(flags.folder);
  if (study.sweep.empty()) {
    return absl::InvalidArgumentError(
        "SWEEP is required: a sweep file, or the folder of a sweep");
  }
  std::error_code error;
  if (std::filesystem::is_directory(study.sweep, error)) {
    return BestOfFolder(study.sweep);
  }
  // Only a study needs no job.
  const bool may_be_study = !cluster || !study.study.empty();
  const sweep::SweepFile file =
      may_be_study ? sweep::ReadStudyFile(study.sweep, study.set)
                   : sweep::ReadSweepFile(study.sweep, study.set);
  if (!file.ok()) return job::ToStatus(file.mistakes);
  if (!study.study.empty() || file.job_file.empty()) {
    return BestOfStudy(file, StudyPath(study, file));
  }
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
  AddStudyFlags(command, &flags->study, "Sweep file, or the folder of a sweep");
  command->get_option("SWEEP")->required(false);
  CLI::Option* folder = command->add_option(
      "--run-dir", flags->folder, "Folder of the sweep (the newest run)");
  command->get_option("--study")->excludes(folder);
  AddAccessFlags(command, &flags->access);
  command->footer(R"(
The best is the complete trial with the best result. Without --scheduler it is
that of the folder, or of the newest run of the sweep. For a study, which `ebb
sweep ask` keeps, it prints the choices if the sweep file names no job.
Examples:
  ebb sweep best examples/sweeps/fashion.yaml | ebb run -
  ebb sweep best --run-dir runs/fashion-sweep-1)");
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

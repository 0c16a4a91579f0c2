// `ebb sweep`.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/program/size_flag.h"
#include "common/tls/job_token.h"
#include "rpc/job_tokens.h"
#include "sweep/sweep_file.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/cluster/token_files.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/sweep/sweep_driver.h"
#include "tools/ebb/trained/start_model.h"
#include "tools/process/most_processes.h"

namespace ebb::tools {

namespace {

struct SweepFlags {
  std::string file;
  std::vector<std::string> set;
  std::optional<int> parallel;
  ClusterAccess access;
  bool cluster = false;
  DataFlags data;
  SweepOptions options;
};

// A token's file may be written only when its trial begins.
void ShowTokens(const TrialTokens& tokens, const rpc::Security& security) {
  if (security.tokens() == nullptr) return;
  security.tokens()->SetFind([tokens](JobId job) {
    if (tokens.file.empty()) return KnownToken(tokens.folder, job);
    const auto token = ReadJobToken(tokens.file);
    return token.ok() ? *token : "";
  });
}

int Sweep(SweepFlags& flags) {
  SweepOptions& options = flags.options;
  if (flags.cluster && (options.servers || options.workers ||
                        options.memory_bytes > 0 || options.resume)) {
    return Report(absl::InvalidArgumentError(
        "--servers, --workers, --memory and --resume are for a cluster that "
        "the sweep starts, not for --scheduler. There the sweep goes on by "
        "itself"));
  }
  options.file = sweep::ReadSweepFile(flags.file, flags.set);
  if (!options.file.ok()) {
    return Report(job::ToStatus(options.file.mistakes));
  }
  if (flags.parallel) options.file.sweep.parallel = *flags.parallel;
  options.open_model = OpenModelsInFolders();
  if (flags.cluster) {
    if (const absl::Status open = flags.access.Open(/*submits=*/true);
        !open.ok()) {
      return Report(open);
    }
    if (flags.access.security->tls() || !flags.access.token_file.empty()) {
      // A file that no trial could use is told before the first one begins.
      if (const std::string& file = flags.access.token_file; !file.empty()) {
        const auto token = TokenToSubmit::Take(file, "", "");
        if (!token.ok()) return Report(token.status());
      }
      options.tokens = TrialTokens{flags.access.token_file, TokenFolder()};
      ShowTokens(*options.tokens, *flags.access.security);
    }
    options.scheduler = flags.access.scheduler;
    options.security = flags.access.security;
    options.open = OpenFromCluster(flags.access, flags.data);
    options.open_model = OpenStoredModels(flags.access);
  }
  const auto result = RunSweep(options);
  if (!result.ok()) return Report(result.status());
  for (const std::string& problem : result->problems) {
    std::cerr << "ebb: " << problem << "\n";
  }
  if (result->interrupted) return kExitInterrupted;
  return result->any_complete && result->problems.empty() ? kExitGood
                                                          : kExitFailed;
}

}  // namespace

void AddSweepCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<SweepFlags>();
  CLI::App* command = app->add_subcommand(
      "sweep", "Trains a job with many settings, and ranks what came of them");
  command->add_option(
      "SWEEP", flags->file,
      "Sweep file, or a job file with the key sweep or validate "
      "(YAML)");
  command
      ->add_option("--set", flags->set,
                   "KEY=VALUE: set a key of the job in every trial; may be "
                   "repeated")
      ->allow_extra_args(false);
  constexpr int kMostParallel = 1000;
  command
      ->add_option("--parallel", flags->parallel,
                   "Trials that train at once; overrides parallel")
      ->check(CLI::Range(1, kMostParallel));
  SweepOptions* options = &flags->options;
  command
      ->add_option("--servers", options->servers,
                   "Parameter servers of a cluster of its own (2)")
      ->check(CLI::Range(1, kMostServers));
  command
      ->add_option("--workers", options->workers,
                   "Workers of a cluster of its own (3)")
      ->check(CLI::Range(1, kMostWorkers));
  command
      ->add_option("--memory", options->memory_bytes,
                   "Most memory of each server and worker, e.g. 512MiB")
      ->transform(SizeValue());
  command->add_flag("--resume", options->resume,
                    "Continue the sweep in --run-dir, or the newest");
  command->add_option("--run-dir", options->folder,
                      "Folder of the sweep (runs/NAME-N)");
  command->add_flag("--quiet", options->quiet, "Print errors only");
  command
      ->add_option("--leave-with-parent", options->parent,
                   "End in good order when the process PID, which starts this "
                   "one, ends")
      ->type_name("PID")
      ->check(CLI::PositiveNumber);
  AddJsonFlag(command, &options->json);
  AddPluginsFlag(command, &options->plugin_folders);
  AddAccessFlags(command, &flags->access);
  AddDataFlags(command, &flags->data);
  command->footer(R"(
Without --scheduler it starts a cluster of its own, as `ebb run` does. Trials are
jobs of the cluster: `ebb status`, `ebb pause` and the others work on them. The
sweep's state is that of its jobs. If it is killed, the same command goes on with
it on a cluster that runs; for a cluster of its own, add --resume.
Examples:
  ebb sweep examples/sweeps/fashion.yaml --workers 4
  ebb sweep best examples/sweeps/fashion.yaml | ebb run -)");
  command->callback([command, flags, exit_code] {
    // `ebb sweep best` and the like have done what was asked.
    if (!command->get_subcommands().empty()) return;
    if (flags->file.empty()) {
      *exit_code = Report(
          absl::InvalidArgumentError("SWEEP is required: a sweep file, such as "
                                     "examples/sweeps/fashion.yaml"));
      return;
    }
    flags->cluster = command->get_option("--scheduler")->count() > 0;
    *exit_code = Sweep(*flags);
  });
}

}  // namespace ebb::tools

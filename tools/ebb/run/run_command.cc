// `ebb run`.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "job/yaml.h"
#include "tools/command/command.h"
#include "tools/command/program_arguments.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/rollback/rollback_flags.h"
#include "tools/ebb/run/kill_every.h"
#include "tools/ebb/run/local_run.h"
#include "tools/ebb/run/program_run.h"
#include "tools/ebb/run/run_flags.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct RunFlags {
  JobFlags job;
  RunOptions run;
  RollbackWish back;          // Empty: not back.
  absl::Duration kill_every;  // Zero: no daemon is killed.
  std::optional<uint64_t> kill_seed;
};

bool EmulatesTime(const RunOptions& run) {
  return run.batch_time > absl::ZeroDuration() || !run.batch_times.empty();
}

bool HasFolds(const JobChoice& choice) {
  const job::JobFile file = job::ReadJobFile(choice.file, choice.overrides);
  return file.ok() && file.job.has_validate() && !file.job.data().has_fold();
}

// Becomes `ebb sweep`, which trains a job for each fold. Returns only if it
// does not.
int RunFolds(const RunFlags& flags) {
  const RunOptions& run = flags.run;
  if (run.tls || run.skip || run.details || !run.report_file.empty() ||
      !run.statuses_file.empty() || EmulatesTime(run) ||
      !run.shared_checkpoints.empty() || TargetsOf(flags.back) > 0 ||
      flags.kill_every > absl::ZeroDuration()) {
    return Report(absl::InvalidArgumentError(
        "validate trains a job for each fold, and --tls, --skip, --report, "
        "--statuses, --details, --batch-time, --shared-checkpoints, "
        "--kill-every and going back are for a single job.\nhint: leave them "
        "out; the results are in trials.json of the run's folder"));
  }
  std::vector<std::string> words = {"ebb", "sweep", run.job.file};
  const auto add = [&](const std::string& flag, const std::string& value) {
    words.push_back(flag);
    words.push_back(value);
  };
  for (const std::string& one : run.job.overrides) add("--set", one);
  for (const std::string& one : run.job.plugin_folders) {
    add("--allow-plugins", one);
  }
  if (run.servers) add("--servers", absl::StrCat(*run.servers));
  if (run.workers) add("--workers", absl::StrCat(*run.workers));
  if (run.memory_bytes > 0) add("--memory", absl::StrCat(run.memory_bytes));
  if (!run.folder.empty()) add("--run-dir", run.folder);
  if (run.resume) words.emplace_back("--resume");
  if (run.quiet) words.emplace_back("--quiet");
  if (run.parent != 0) add("--leave-with-parent", absl::StrCat(run.parent));
  // The standard input, kept as a file in memory, is read there.
  absl::string_view kept = run.job.file;
  int fd = 0;
  if (absl::ConsumePrefix(&kept, "/proc/self/fd/") &&
      absl::SimpleAtoi(kept, &fd)) {
    fcntl(fd, F_SETFD, 0);
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string program = ProgramFolder() + "/ebb";
  execv(program.c_str(), argv.data());
  return Report(absl::NotFoundError(
      absl::StrCat(program, ": ", std::generic_category().message(errno))));
}

// Names a flag that describes a job, which the program itself submits, or that
// programs do not know; empty: there is none.
std::string FlagOfJobs(const RunFlags& flags) {
  const JobFlags& job = flags.job;
  return !job.set.empty()                        ? "--set"
         : !job.epochs.empty()                   ? "--epochs"
         : !job.seed.empty()                     ? "--seed"
         : !job.plugin_folders.empty()           ? "--allow-plugins"
         : flags.run.memory_bytes > 0            ? "--memory"
         : EmulatesTime(flags.run)               ? "--batch-time"
         : flags.run.tls                         ? "--tls"
         : !flags.run.shared_checkpoints.empty() ? "--shared-checkpoints"
         : TargetsOf(flags.back) > 0 ? "going back to older versions"
                                     : "";
}

int RunScript(RunFlags& flags) {
  if (const std::string other = FlagOfJobs(flags); !other.empty()) {
    return Report(absl::InvalidArgumentError(absl::StrCat(
        flags.job.file, " is a program, and ", other,
        " is for job files\n  hint: the program gets what stands behind --")));
  }
  KillEvery kills(flags.kill_every, flags.kill_seed);
  if (flags.kill_every > absl::ZeroDuration()) flags.run.disturbance = &kills;
  const auto report =
      RunProgram(flags.run, {flags.job.file, ProgramArguments()});
  return ExitCodeOf(report, /*tell_problems=*/true);
}

int Run(RunFlags& flags) {
  if (IsProgramFile(flags.job.file)) return RunScript(flags);
  flags.run.job = flags.job.Choice();
  if (HasFolds(flags.run.job)) return RunFolds(flags);
  flags.run.follow_scale = true;
  if (const int targets = TargetsOf(flags.back); targets > 1) {
    return Report(absl::InvalidArgumentError(
        "name one of --versions-ago N, --to TIME and --to-round N, not "
        "several"));
  } else if (targets == 1) {
    flags.run.back = flags.back;
  }
  KillEvery kills(flags.kill_every, flags.kill_seed);
  if (flags.kill_every > absl::ZeroDuration()) flags.run.disturbance = &kills;
  return RunToItsEnd(flags.run);
}

}  // namespace

void AddRunCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "run", "Trains a job on this machine, on a cluster of its own");
  const auto flags = std::make_shared<RunFlags>();
  AddJobFlags(command, &flags->job);
  AddRunFlags(command, &flags->run);
  command->add_option(
      "--shared-checkpoints", flags->run.shared_checkpoints,
      "Folder or s3://BUCKET/PREFIX for copies of the servers' checkpoints (in "
      "the run's folder)");
  CLI::Option* resume =
      command->add_flag("--resume", flags->run.resume,
                        "Continue the run in --run-dir, or the newest run");
  command
      ->add_flag("--skip", flags->run.skip,
                 "Leave out the batch for which the job is paused")
      ->needs(resume);
  for (CLI::Option* target : AddRollbackTargets(command, &flags->back)) {
    target->needs(resume);
  }
  AddDurationFlag(command, "--kill-every", &flags->kill_every,
                  "Kill a daemon every S seconds, and start it again");
  command->add_option("--kill-seed", flags->kill_seed,
                      "Seed of the kills (the job's seed)");
  command->footer(R"(
Starts a scheduler, servers and workers as processes, trains, audits, and ends
them. Everything they write is in the run's folder: logs, checkpoints, metrics,
report.html. Ctrl-C ends the run in good order. --resume continues it, also with
another rate or more epochs, or (--versions-ago) from an older version. `ebb
scale` starts and ends servers and workers while it trains. A job with the key
validate is trained once for each fold, as `ebb sweep` does.
SCRIPT.py is started --workers times, and submits or joins a job by itself: see
docs/python.md. Flags that describe a job are not for it.
Exit code: 0 good; 1 incomplete, audit not exact, a daemon crashed or gave up,
an `expect:` missed, ...; 2 a wrong flag or job file, nothing started; 130
interrupted. A daemon that is killed from outside only gets a warning.
Example:
  ebb run examples/jobs/fashion_mlp.yaml --epochs 3 --set optimizer.rate=0.002
  ebb run digits.py --workers 3 --servers 2 --kill-every 1)");
  command->callback([flags, exit_code] { *exit_code = Run(*flags); });
}

}  // namespace ebb::tools

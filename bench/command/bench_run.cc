#include "bench/command/bench_run.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bench/command/bench_job.h"
#include "bench/command/bench_machine.h"
#include "common/steady_time.h"
#include "tools/files/files.h"
#include "tools/process/most_processes.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"

namespace ebb::tools {

void AddBenchFlags(CLI::App* command, const LeastCluster& least,
                   BenchPace* pace, BenchFlags* flags) {
  AddJobFlags(command, &flags->job);
  command->get_option("JOB")
      ->description("Job file (default: a small made-up job)")
      ->required(false);
  command->add_option("--servers", flags->run.servers, "Parameter servers (2)")
      ->check(CLI::Range(least.servers, kMostServers));
  command->add_option("--workers", flags->run.workers, "Workers (3)")
      ->check(CLI::Range(least.workers, kMostWorkers));
  AddDurationFlag(command, "--batch-time", &pace->batch_time,
                  absl::StrCat("Least time of a batch (",
                               absl::FormatDuration(pace->batch_time), ")"));
  AddDurationFlag(
      command, "--undisturbed", &pace->undisturbed,
      absl::StrCat("How long the undisturbed speed is measured first (",
                   absl::FormatDuration(pace->undisturbed), ")"));
  command->add_flag("--json", flags->json, "Print JSON");
}

void AddApplied(const RunReport& report, Json* json) {
  (*json)["examples_recomputed"] = report.recomputed();
  (*json)["doubled"] = report.audit ? Json(report.audit->sum.doubled) : Json();
}

void ShowBenchProgress(const std::string& text) {
  if (isatty(STDERR_FILENO) != 0) {
    std::cerr << "\r\033[K" << text << std::flush;
  } else {
    std::cerr << text << std::endl;
  }
}

int RunBench(BenchFlags* flags, const std::string& train,
             Disturbance* disturbance,
             const std::function<std::string(const RunReport&)>& result) {
  flags->run.job = flags->job.Choice();
  std::optional<BenchJob> made;
  if (flags->job.file.empty()) {
    auto job = BenchJob::Make(train);
    if (!job.ok()) return Report(job.status());
    made.emplace(*std::move(job));
    flags->run.job.file = made->file();
    flags->run.folder = made->run_folder();
  }
  flags->run.quiet = true;
  flags->run.disturbance = disturbance;
  std::cerr << WhereItRan() << std::endl;
  const auto report = RunLocally(flags->run);
  ShowBenchProgress("");
  if (!report.ok()) return Report(report.status());
  if (report->interrupted) return kExitInterrupted;
  std::cout << result(*report);
  std::vector<std::string> problems = report->problems;
  if (problems.empty() && !disturbance->EndsRun()) {
    problems.push_back("the job ended too early: give it more --epochs");
  }
  for (const std::string& problem : problems) {
    std::cerr << "ebb: " << problem << "\n";
  }
  if (problems.empty()) return kExitGood;
  if (made) std::cerr << "ebb: its run is in " << made->Keep() << "/run\n";
  return kExitFailed;
}

int RunInScratchFolder(const std::string& parent, const std::string& json,
                       const MeasureFunction& measure) {
  if (!json.empty()) {
    const absl::Status writable = CheckWritable(json);
    if (!writable.ok()) return Report(writable);
  }
  // A user who stops it finds no folder left behind.
  auto signals = SignalWaiter::Create();
  if (!signals.ok()) return Report(signals.status());
  std::error_code error;
  const std::filesystem::path where =
      parent.empty() ? std::filesystem::temp_directory_path(error)
                     : std::filesystem::path(parent);
  std::string folder = (where / "ebb-bench-XXXXXX").string();
  if (error || mkdtemp(folder.data()) == nullptr) {
    return Report(absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make the folder ", folder)));
  }
  std::cerr << WhereItRan() << std::endl;
  Json figures = WhereItRanJson();
  const absl::Time begun = SteadyNow();
  const absl::StatusOr<BenchResult> result = measure(
      folder, [&signals] { return signals->Wait({}).interrupts > 0; },
      &figures);
  ShowBenchProgress("");
  figures["seconds"] = absl::ToDoubleSeconds(SteadyNow() - begun);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (absl::IsCancelled(result.status())) return kExitInterrupted;
  if (!result.ok()) return Report(result.status());
  std::cout << result->text;
  if (!json.empty()) {
    const absl::Status written = WriteFile(json, figures.ToString());
    if (!written.ok()) return Report(written);
  }
  return result->good ? kExitGood : kExitFailed;
}

}  // namespace ebb::tools

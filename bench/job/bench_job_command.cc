// `ebb bench job`.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/command/bench_machine.h"
#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "bench/job/job_rows.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/run/local_run.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct BenchJobFlags {
  JobFlags job;
  RunOptions run;
  int runs = 3;
  double target = 0.87;
  // Rows instead of runs.
  std::string against;
  int pairs = 0;  // 0: as many as the run needs.
  bool quick = false;
  std::string peers = "bench/peers";
  std::string data;  // Empty: where this machine has it.
  std::string json;
};

// From the submission to the first evaluation that reached `target`.
std::optional<double> SecondsTo(double target, const v1::JobStatus& status) {
  for (const auto& evaluation : status.evaluations()) {
    if (!evaluation.error().empty() || evaluation.accuracy() < target) continue;
    return static_cast<double>(evaluation.finished_unix_ms() -
                               status.summary().submitted_unix_ms()) /
           1000;
  }
  return std::nullopt;
}

int BenchRuns(BenchJobFlags& flags) {
  flags.run.job = flags.job.Choice();
  flags.run.quiet = true;
  std::cout << WhereItRan() << "\n"
            << "run  seed  examples/s  seconds  to " << flags.target
            << "  CPU s  accuracy\n";
  std::vector<double> speeds, seconds, reached, cpu;
  for (int i = 0; i < flags.runs; ++i) {
    const auto report = RunLocally(flags.run);
    if (!report.ok()) return Report(report.status());
    if (report->interrupted) return kExitInterrupted;
    const auto to = SecondsTo(flags.target, report->status);
    const double used = report->cpu_seconds;
    std::cout << absl::StrFormat("%3d  %4d  %10.0f  %7.2f  %7s  %5.1f  %.4f",
                                 i + 1, report->job.seed(),
                                 report->examples_per_second(), report->seconds,
                                 to ? absl::StrFormat("%.2f", *to) : "never",
                                 used, report->accuracy().value_or(0))
              << std::endl;
    for (const std::string& problem : report->problems) {
      std::cerr << "ebb: " << problem << "\n";
    }
    if (!report->problems.empty()) return kExitFailed;
    speeds.push_back(report->examples_per_second());
    seconds.push_back(report->seconds);
    cpu.push_back(used);
    if (to) reached.push_back(*to);
  }
  std::cout << absl::StrFormat("median: %.0f examples/s, %.2f s, %.1f CPU s",
                               bench::Median(speeds), bench::Median(seconds),
                               bench::Median(cpu));
  if (!reached.empty()) {
    std::cout << absl::StrFormat(", %.2f s to %g", bench::Median(reached),
                                 flags.target);
    if (static_cast<int>(reached.size()) < flags.runs) {
      std::cout << absl::StrFormat(" (in %d of %d runs)", reached.size(),
                                   flags.runs);
    }
  }
  std::cout << "\n";
  return kExitGood;
}

int BenchAgainst(const BenchJobFlags& flags) {
  JobRowsOptions options = {.programs = ProgramFolder(),
                            .job = flags.job.Choice(),
                            .peers = flags.peers,
                            .data = flags.data,
                            .all_peers = !flags.quick,
                            .watch = {.progress = ShowBenchProgress}};
  if (flags.quick) options.pairs = 1;
  if (flags.pairs > 0) options.pairs = flags.pairs;
  if (options.data.empty()) {
    options.data = FashionFolder();
  } else {
    options.job.overrides.push_back(
        absl::StrCat("data.train.idx=", options.data, "/train"));
    options.job.overrides.push_back(
        absl::StrCat("data.test.idx=", options.data, "/t10k"));
  }
  const auto measure = [&](const std::string& folder, const StopFunction& stop,
                           Json* json) -> absl::StatusOr<BenchResult> {
    options.folder = folder;
    options.watch.stop = stop;
    EBB_ASSIGN_OR_RETURN(const JobRows measured,
                         flags.against == "loop"
                             ? MeasureAgainstOneProcess(options)
                             : MeasureAgainstPeers(options));
    AddJobRows(measured, json);
    return BenchResult{JobRowsText(measured),
                       flags.quick || bench::AllHold(measured.rows)};
  };
  return RunInScratchFolder("", flags.json, measure);
}

int RunBenchJob(BenchJobFlags& flags) {
  return flags.against.empty() ? BenchRuns(flags) : BenchAgainst(flags);
}

}  // namespace

void AddBenchJobCommand(CLI::App* bench, int* exit_code) {
  CLI::App* job = bench->add_subcommand(
      "job", "Measures a job's speed, CPU seconds, and time to an accuracy");
  const auto flags = std::make_shared<BenchJobFlags>();
  AddJobFlags(job, &flags->job);
  // Runs of a cluster, or rows beside something else: what only one of them
  // knows is refused with the other.
  CLI::Option* against =
      job->add_option(
             "--against", flags->against,
             "loop: compare 1 worker and 1 server with the same training in "
             "one process; peers: compare 2 workers and 1 server with PyTorch")
          ->check(CLI::IsMember({"loop", "peers"}));
  job->add_option("--servers", flags->run.servers, "Parameter servers (2)")
      ->check(CLI::Range(1, 64))
      ->excludes(against);
  job->add_option("--workers", flags->run.workers, "Workers (3)")
      ->check(CLI::Range(1, 256))
      ->excludes(against);
  job->add_option("--runs", flags->runs, "Runs; every figure is their median")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000))
      ->excludes(against);
  job->add_option("--target", flags->target, "Test accuracy to reach")
      ->capture_default_str()
      ->excludes(against);
  job->add_option("--pairs", flags->pairs,
                  "With --against: pairs of each ratio (7)")
      ->check(CLI::Range(1, 1000))
      ->needs(against);
  job->add_flag(
         "--quick", flags->quick,
         "With --against: give a rough result without a verdict from 1 pair")
      ->needs(against);
  const CLI::Option* peers =
      job->add_option("--peers", flags->peers,
                      "With --against peers: folder of the peers' scripts")
          ->capture_default_str()
          ->type_name("FOLDER")
          ->needs(against);
  job->add_option("--data", flags->data,
                  "With --against: Fashion-MNIST files for job and peers "
                  "(those that the job names)")
      ->type_name("FOLDER")
      ->needs(against);
  job->add_option("--json", flags->json,
                  "With --against: write all figures to FILE")
      ->type_name("FILE")
      ->needs(against);
  job->footer(R"(
Audits every run; the benchmark fails if an audit is not exact. --against makes
rows of interleaved pairs, and exits 1 if some row misses its requirement.
Example:
  ebb bench job examples/jobs/fashion_mlp.yaml
  ebb bench job examples/jobs/fashion_mlp.yaml --epochs 3 --against loop)");
  job->callback([flags, peers, exit_code] {
    if (peers->count() > 0 && flags->against != "peers") {
      throw CLI::ValidationError(
          "--peers",
          absl::StrCat("needs --against peers, and here is --against ",
                       flags->against));
    }
    *exit_code = RunBenchJob(*flags);
  });
}

}  // namespace ebb::tools

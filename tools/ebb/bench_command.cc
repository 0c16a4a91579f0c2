// `ebb bench`, with `ebb bench job` and `ebb bench kernels`.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_format.h"
#include "bench/kernels_bench.h"
#include "bench/paired.h"
#include "tools/ebb/bench_machine.h"
#include "tools/ebb/command.h"
#include "tools/ebb/local_run.h"

namespace ebb::tools {

namespace {

struct Flags {
  JobFlags job;
  RunOptions run;
  int runs = 3;
  double target = 0.87;
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

int BenchJob(Flags& flags) {
  flags.run.job = flags.job.Choice();
  flags.run.quiet = true;
  std::cout << WhereItRan() << "\n"
            << "run  seed  examples/s  seconds  to " << flags.target
            << "  CPU s  accuracy\n";
  std::vector<double> speeds, seconds, reached, cpu;
  double cpu_before = 0;
  for (int i = 0; i < flags.runs; ++i) {
    const auto report = RunLocally(flags.run);
    if (!report.ok()) return Report(report.status());
    if (report->interrupted) return kExitInterrupted;
    const auto to = SecondsTo(flags.target, report->status);
    // Of all children of this process, so of the earlier runs too.
    const double used = report->cpu_seconds - cpu_before;
    cpu_before = report->cpu_seconds;
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

}  // namespace

void AddBenchCommand(CLI::App* app, int* exit_code) {
  CLI::App* bench =
      app->add_subcommand("bench", "Measures ebb on this machine");
  bench->require_subcommand(1);
  bench->footer("\nExample:\n  ebb bench kernels");

  CLI::App* job = bench->add_subcommand(
      "job", "Speed, time to an accuracy and CPU seconds of a job");
  const auto flags = std::make_shared<Flags>();
  AddJobFlags(job, &flags->job);
  job->add_option("--servers", flags->run.servers, "Parameter servers (2)")
      ->check(CLI::Range(1, 64));
  job->add_option("--workers", flags->run.workers, "Workers (3)")
      ->check(CLI::Range(1, 256));
  job->add_option("--runs", flags->runs, "Runs, of which medians are taken")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  job->add_option("--target", flags->target, "Test accuracy to reach")
      ->capture_default_str();
  job->footer(R"(
Every run is audited; one that is not exact fails the benchmark.
Example:
  ebb bench job examples/jobs/fashion_mlp.yaml)");
  job->callback([flags, exit_code] { *exit_code = BenchJob(*flags); });

  CLI::App* kernels = bench->add_subcommand(
      "kernels", "The optimizers' speed as a share of the memory's");
  const auto options = std::make_shared<bench::KernelsBenchOptions>();
  kernels
      ->add_option("--array-bytes", options->array_bytes,
                   "Size of each of five arrays; 0: four times the last-level "
                   "cache, at most 1 GiB")
      ->capture_default_str();
  kernels->add_option("--rounds", options->rounds, "Of which medians are taken")
      ->capture_default_str();
  kernels->add_option("--seed", options->seed, "Of the values")
      ->capture_default_str();
  kernels->footer("\nExample:\n  ebb bench kernels --rounds 31");
  kernels->callback([options, exit_code] {
    *exit_code = bench::RunKernelsBench(*options, std::cout, std::cerr);
  });

  AddBenchCheckpointCommand(bench, exit_code);
  AddBenchDenseCommand(bench, exit_code);
  AddBenchRecoveryCommand(bench, exit_code);
  AddBenchGoodputCommand(bench, exit_code);
  AddBenchMovesCommand(bench, exit_code);
  AddBenchScalingCommand(bench, exit_code);
}

}  // namespace ebb::tools

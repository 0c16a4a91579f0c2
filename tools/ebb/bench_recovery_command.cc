// `ebb bench recovery`.
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/ebb/bench_job.h"
#include "tools/ebb/bench_machine.h"
#include "tools/ebb/command.h"
#include "tools/ebb/console.h"
#include "tools/ebb/local_run.h"
#include "tools/ebb/recovery_bench.h"
#include "tools/ebb/run_flags.h"

namespace ebb::tools {

namespace {

struct Flags {
  JobFlags job;
  RunOptions run;
  RecoveryBenchOptions bench;
  bool json = false;
};

double Longest(const std::vector<double>& values) {
  return *std::ranges::max_element(values);
}

std::string Figure(const std::vector<double>& values) {
  if (values.empty()) return "";
  return absl::StrFormat("%.3f (%.3f)", Median(values), Longest(values));
}

double Ratio(const LossFigures& figures, const RecoveryBench& bench) {
  return figures.examples_per_second / bench.undisturbed_rate();
}

std::string Text(const RecoveryBench& bench) {
  std::string out = absl::StrFormat(
      "undisturbed: %s examples/s\nseconds from the loss, median (longest)\n"
      "%-21s %5s  %-15s %-15s %-10s %s\n",
      Short(bench.undisturbed_rate()), "", "times", "taken up again",
      "counted again", "examples/s", "required");
  for (const LossFigures& one : bench.figures()) {
    absl::StrAppend(
        &out, absl::StrFormat("%-21s %5d  %-15s %-15s %-10s ",
                              LossName(one.loss), one.recovered.size(),
                              Figure(one.resumed), Figure(one.recovered),
                              absl::StrFormat("%.2f x", Ratio(one, bench))));
    if (const auto bound = BoundOf(one.loss); bound && !one.bounded.empty()) {
      const bool met = Longest(one.bounded) <= bound->seconds;
      absl::StrAppend(
          &out, absl::StrFormat("%s, %g s: %s%s", bound->figure, bound->seconds,
                                Figure(one.bounded), met ? "" : ", OVER"));
    }
    out += "\n";
  }
  return out;
}

Json SecondsJson(const std::vector<double>& values) {
  if (values.empty()) return Json();
  Json json = Json::Object();
  json["p50"] = Median(values);
  json["max"] = Longest(values);
  return json;
}

Json ToJson(const RecoveryBench& bench, const RunReport& report) {
  Json json = Json::Object();
  json["machine"] = Machine();
  json["build"] = BuildType();
  json["commit"] = Commit();
  json["undisturbed_examples_per_second"] = bench.undisturbed_rate();
  json["losses"] = Json::List();
  for (const LossFigures& figures : bench.figures()) {
    Json one = Json::Object();
    one["loss"] = LossName(figures.loss);
    one["times"] = figures.recovered.size();
    one["seconds"] = figures.seconds;
    one["resumed_s"] = SecondsJson(figures.resumed);
    one["recovery_s"] = SecondsJson(figures.recovered);
    if (const auto bound = BoundOf(figures.loss)) {
      one["required"]["what"] = bound->figure;
      one["required"]["at_most_s"] = bound->seconds;
      one["required"]["found_s"] = SecondsJson(figures.bounded);
    }
    one["throughput_ratio"] = Ratio(figures, bench);
    json["losses"].Add(std::move(one));
  }
  json["examples_recomputed"] = report.recomputed();
  json["doubled"] = report.audit ? Json(report.audit->sum.doubled) : Json();
  return json;
}

// What came last is written over on a terminal.
void ShowProgress(const std::string& text) {
  if (isatty(STDERR_FILENO) != 0) {
    std::cerr << "\r\033[K" << text << std::flush;
  } else {
    std::cerr << text << std::endl;
  }
}

int BenchRecovery(Flags& flags) {
  std::optional<BenchJob> made;
  flags.run.job = flags.job.Choice();
  if (flags.job.file.empty()) {
    // An item is a tenth of a second.
    auto job = BenchJob::Make("batch: 20, item_examples: 200");
    if (!job.ok()) return Report(job.status());
    made.emplace(*std::move(job));
    flags.run.job.file = made->file();
    flags.run.folder = made->run_folder();
  }
  flags.run.quiet = true;
  flags.bench.say = ShowProgress;
  RecoveryBench bench(flags.bench);
  flags.run.disturbance = &bench;
  std::cerr << "machine " << Machine() << "; build " << BuildType()
            << "; commit " << Commit() << "; " << flags.bench.kills
            << " losses of each kind" << std::endl;
  const auto report = RunLocally(flags.run);
  ShowProgress("");
  if (!report.ok()) return Report(report.status());
  if (report->interrupted) return kExitInterrupted;
  if (bench.undisturbed_rate() > 0) {
    std::cout << (flags.json ? ToJson(bench, *report).ToString() : Text(bench));
  }
  std::vector<std::string> problems = report->problems;
  if (problems.empty() && !bench.EndsRun()) {
    problems.push_back("the job ended too early: give it more --epochs");
  }
  for (const std::string& problem : problems) {
    std::cerr << "ebb: " << problem << "\n";
  }
  if (problems.empty()) return kExitGood;
  if (made) std::cerr << "ebb: its run is in " << made->Keep() << "/run\n";
  return kExitFailed;
}

}  // namespace

void AddBenchRecoveryCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "recovery", "How long it takes to make up for daemons that are lost");
  const auto flags = std::make_shared<Flags>();
  AddJobFlags(command, &flags->job);
  command->get_option("JOB")
      ->description("Job file (a small job is made up)")
      ->required(false);
  command->add_option("--servers", flags->run.servers, "Parameter servers (2)")
      ->check(CLI::Range(1, kMostServers));
  command->add_option("--workers", flags->run.workers, "Workers (3)")
      ->check(CLI::Range(2, kMostWorkers));
  command->add_option("--kills", flags->bench.kills, "Losses of each kind")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  AddDurationFlag(command, "--batch-time", &flags->bench.batch_time,
                  "A batch takes at least so long (10ms)");
  AddDurationFlag(command, "--undisturbed", &flags->bench.undisturbed,
                  "How long its speed is measured first (5s)");
  command
      ->add_option("--seed-pauses", flags->bench.seed,
                   "Of the pauses between losses")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "As JSON");
  command->footer(R"(
A cluster of real daemons trains while workers are killed, stopped until their
leases have run out, and told to leave, then servers and the scheduler are
killed, one at a time and each after the one before was made up for. Prints the
seconds until the next example was counted of what was lost, and examples/s as a
ratio to the undisturbed cluster of the same run. What is applied is audited.
Example:
  ebb bench recovery --kills 20)");
  command->callback([flags, exit_code] { *exit_code = BenchRecovery(*flags); });
}

}  // namespace ebb::tools

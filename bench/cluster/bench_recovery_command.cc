// `ebb bench recovery`.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/cluster/recovery_bench.h"
#include "bench/command/bench_machine.h"
#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "tools/command/command.h"
#include "tools/ebb/run/run_flags.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

struct BenchRecoveryFlags : BenchFlags {
  RecoveryBenchOptions bench;
};

double Longest(const std::vector<double>& values) {
  return *std::ranges::max_element(values);
}

std::string Figure(const std::vector<double>& values) {
  if (values.empty()) return "";
  return absl::StrFormat("%.3f (%.3f)", bench::Median(values), Longest(values));
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
  json["p50"] = bench::Median(values);
  json["max"] = Longest(values);
  return json;
}

Json ToJson(const RecoveryBench& bench, const RunReport& report) {
  Json json = WhereItRanJson();
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
  AddApplied(report, &json);
  return json;
}

int BenchRecovery(BenchRecoveryFlags& flags) {
  flags.bench.say = ShowBenchProgress;
  RecoveryBench bench(flags.bench);
  // An item is a tenth of a second.
  return RunBench(&flags, "batch: 20, item_examples: 200", &bench,
                  [&](const RunReport& report) {
                    if (bench.undisturbed_rate() <= 0) return std::string();
                    return flags.json ? ToJson(bench, report).ToString()
                                      : Text(bench);
                  });
}

}  // namespace

void AddBenchRecoveryCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "recovery", "Measures how long it takes to recover from lost daemons");
  const auto flags = std::make_shared<BenchRecoveryFlags>();
  AddBenchFlags(command, {.servers = 1, .workers = 2}, &flags->bench.pace,
                flags.get());
  command->add_option("--kills", flags->bench.kills, "Losses of each kind")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--seed-pauses", flags->bench.seed,
                   "Seed of the pauses between losses")
      ->capture_default_str();
  command->footer(R"(
A cluster of real daemons trains. Workers are killed, stopped until their leases
have run out, and told to leave; then servers and the scheduler are killed. The
losses come one at a time, each after the cluster has recovered from the one
before. Prints the seconds until the next example of the lost work was counted,
and examples/s as a ratio to the undisturbed cluster of the same run. Audits the
result.
Example:
  ebb bench recovery --kills 20)");
  command->callback([flags, exit_code] { *exit_code = BenchRecovery(*flags); });
}

}  // namespace ebb::tools

// `ebb bench moves`.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/cluster/moves_bench.h"
#include "bench/command/bench_machine.h"
#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "tools/command/command.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

struct BenchMovesFlags : BenchFlags {
  MovesBenchOptions bench;
};

struct Figures {
  double p50 = 0;
  double p95 = 0;
  double longest = 0;
};

Figures Of(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  const int64_t rank =
      std::llround(0.95 * static_cast<double>(seconds.size() - 1));
  return {bench::Median(seconds), seconds[rank], seconds.back()};
}

// Without what the disks took.
std::vector<double> Without(const std::vector<double>& paused,
                            const std::vector<double>& stored) {
  std::vector<double> rest;
  for (size_t i = 0; i < paused.size(); ++i) {
    rest.push_back(paused[i] - stored[i]);
  }
  return rest;
}

std::string Line(const std::string& what, const std::vector<double>& seconds) {
  const Figures one = Of(seconds);
  return absl::StrFormat("%-28s %8.1f %8.1f %8.1f\n", what, 1e3 * one.p50,
                         1e3 * one.p95, 1e3 * one.longest);
}

std::string Text(const MovesBench& bench) {
  const std::vector<double> rest = Without(bench.paused(), bench.stored());
  return absl::StrCat(
      absl::StrFormat("%d moves; %.2f x the undisturbed %s examples/s "
                      "meanwhile\n%-28s %8s %8s %8s\n",
                      bench.paused().size(),
                      bench.rate_while_moving() / bench.undisturbed_rate(),
                      Short(bench.undisturbed_rate()), "milliseconds", "p50",
                      "p95", "max"),
      Line("pause of the partition", bench.paused()),
      Line("of that, on the disk", bench.stored()),
      Line("without the disk", rest),
      absl::StrFormat("required: p95 without the disk at most %g ms%s\n",
                      1e3 * kMostPauseSeconds,
                      Of(rest).p95 <= kMostPauseSeconds ? "" : ", OVER"));
}

Json ToJson(const std::vector<double>& seconds) {
  const Figures one = Of(seconds);
  Json json = Json::Object();
  json["p50"] = one.p50;
  json["p95"] = one.p95;
  json["max"] = one.longest;
  return json;
}

Json ToJson(const MovesBench& bench, const RunReport& report) {
  Json json = WhereItRanJson();
  json["moves"] = bench.paused().size();
  json["paused_s"] = ToJson(bench.paused());
  json["stored_s"] = ToJson(bench.stored());
  json["paused_without_disk_s"] =
      ToJson(Without(bench.paused(), bench.stored()));
  json["at_most_s"] = kMostPauseSeconds;
  json["undisturbed_examples_per_second"] = bench.undisturbed_rate();
  json["throughput_ratio"] =
      bench.rate_while_moving() / bench.undisturbed_rate();
  AddApplied(report, &json);
  return json;
}

int BenchMoves(BenchMovesFlags& flags) {
  flags.bench.say = ShowBenchProgress;
  MovesBench bench(flags.bench);
  return RunBench(&flags, "batch: 20, item_examples: 200", &bench,
                  [&](const RunReport& report) {
                    if (bench.paused().empty()) return std::string();
                    return flags.json ? ToJson(bench, report).ToString()
                                      : Text(bench);
                  });
}

}  // namespace

void AddBenchMovesCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "moves", "Measures how long a partition is unavailable while it moves");
  const auto flags = std::make_shared<BenchMovesFlags>();
  AddBenchFlags(command, {.servers = 2, .workers = 1}, &flags->bench.pace,
                flags.get());
  command
      ->add_option("--moves", flags->bench.moves, "Moves to measure, at least")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->footer(R"(
A cluster of real daemons trains while its job moves to one server less, and
back to all, in turns. A partition is unavailable from the last cut, at which
the former server takes no more pushes, until the next server serves it. The
part for storing the copy is printed separately. Audits the result.
Example:
  ebb bench moves --moves 20)");
  command->callback([flags, exit_code] { *exit_code = BenchMoves(*flags); });
}

}  // namespace ebb::tools

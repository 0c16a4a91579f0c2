// `ebb bench goodput`.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/command/bench_job.h"
#include "bench/command/bench_machine.h"
#include "common/status_macros.h"
#include "tools/chaos/trace.h"
#include "tools/command/command.h"
#include "tools/ebb/run/chaos_run.h"
#include "tools/ebb/run/local_run.h"
#include "tools/ebb/run/run_flags.h"
#include "tools/files/files.h"
#include "tools/process/most_processes.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

// Optional, in a folder beside the sources.
constexpr char kRecorded[] = "../shared/data/spot/bamboo-p3.csv";
constexpr char kMadeUp[] = "a market made up";

struct BenchGoodputFlags {
  std::string trace;
  double speed = 60;
  absl::Duration length = absl::Seconds(60);
  absl::Duration warm_up = absl::Seconds(10);
  absl::Duration batch_time = absl::Milliseconds(100);
  bool json = false;
};

// Losses about as frequent as in the recorded one.
std::string MadeUpTrace(const BenchGoodputFlags& flags) {
  chaos::Market market;
  market.losses_per_node_hour = 0.6;
  market.bulk = 2;
  market.duration = flags.length * flags.speed;
  return chaos::MakeTrace(market);
}

absl::StatusOr<ChaosOptions> Plan(const BenchGoodputFlags& flags,
                                  RunOptions* run) {
  std::string text;
  if (flags.trace == kMadeUp) {
    text = MadeUpTrace(flags);
  } else {
    EBB_ASSIGN_OR_RETURN(text, ReadFile(flags.trace));
  }
  EBB_ASSIGN_OR_RETURN(const chaos::Trace trace,
                       chaos::ReadTrace(text, flags.trace));
  if (trace.peak_nodes > kMostWorkers) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags.trace, " has up to ", trace.peak_nodes,
        " machines at a time; at most ", kMostWorkers, " workers run here"));
  }
  ChaosOptions options;
  options.events =
      chaos::EventsOf(trace, flags.speed, /*notice=*/absl::ZeroDuration());
  std::erase_if(options.events, [&](const chaos::ChaosEvent& event) {
    return event.when.at > flags.length;
  });
  options.warm_up = flags.warm_up;
  options.goodput_until_done = true;
  options.ends_after = flags.length;
  options.batch_time = flags.batch_time;
  run->workers = static_cast<int>(trace.peak_nodes);
  return options;
}

Json ToJson(const BenchGoodputFlags& flags, const RunReport& report) {
  const chaos::Goodput& goodput = *report.goodput;
  Json json = WhereItRanJson();
  json["trace"] = flags.trace;
  json["speed"] = flags.speed;
  json["batch_time"] = absl::ToDoubleSeconds(flags.batch_time);
  json["goodput"] = goodput.value();
  json["counted"] = goodput.counted;
  json["possible"] = goodput.possible();
  json["rate_of_one_worker"] = goodput.rate;
  json["seconds"] = absl::ToDoubleSeconds(goodput.end - goodput.begin);
  json["worker_seconds"] = absl::ToDoubleSeconds(goodput.worker_time);
  json["events"] = report.events.size();
  json["doubled"] = report.audit ? Json(report.audit->sum.doubled) : Json();
  return json;
}

std::string Text(const BenchGoodputFlags& flags, const RunReport& report) {
  const chaos::Goodput& goodput = *report.goodput;
  const double seconds = absl::ToDoubleSeconds(goodput.end - goodput.begin);
  return absl::StrFormat(
      "goodput %.3f: %s of %s examples that the workers alive could have "
      "computed\n%s, %g times faster: %d events in %.0f s, %.1f workers on "
      "average, one alone %s examples/s (a batch takes %s, emulated)\n",
      goodput.value(), WithCommas(goodput.counted),
      WithCommas(static_cast<int64_t>(goodput.possible())), flags.trace,
      flags.speed, report.events.size(), seconds,
      absl::ToDoubleSeconds(goodput.worker_time) / seconds, Short(goodput.rate),
      absl::FormatDuration(flags.batch_time));
}

int BenchGoodput(BenchGoodputFlags& flags) {
  std::error_code ignored;
  if (flags.trace.empty()) {
    flags.trace =
        std::filesystem::exists(kRecorded, ignored) ? kRecorded : kMadeUp;
  }
  RunOptions run;
  auto options = Plan(flags, &run);
  if (!options.ok()) return Report(options.status());
  auto job = BenchJob::Make("batch: 64, item_examples: 640");
  if (!job.ok()) return Report(job.status());
  run.job.file = job->file();
  run.job.overrides = {absl::StrCat("workers.max=", *run.workers)};
  run.folder = job->run_folder();
  run.quiet = flags.json;
  std::cerr << WhereItRan() << std::endl;
  ChaosRun chaos(*std::move(options));
  run.disturbance = &chaos;
  const auto report = RunLocally(run);
  if (!report.ok()) return Report(report.status());
  if (report->interrupted) return kExitInterrupted;
  for (const std::string& problem : report->problems) {
    std::cerr << "ebb: " << problem << "\n";
  }
  if (!report->problems.empty() || !report->goodput) {
    std::cerr << "ebb: its run is in " << job->Keep() << "/run\n";
    return kExitFailed;
  }
  std::cout << (flags.json ? ToJson(flags, *report).ToString()
                           : Text(flags, *report));
  return kExitGood;
}

}  // namespace

void AddBenchGoodputCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "goodput",
      "Measures how much of the machines' work counts on a spot market");
  const auto flags = std::make_shared<BenchGoodputFlags>();
  command->add_option(
      "--trace", flags->trace,
      absl::StrCat("Spot-market record (", kRecorded, ", else ", kMadeUp, ")"));
  command
      ->add_option("--speed", flags->speed,
                   "Play the trace this many times faster")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  AddDurationFlag(command, "--seconds", &flags->length,
                  "Time of the run to measure (60s)");
  AddDurationFlag(command, "--warm-up", &flags->warm_up,
                  "How long one worker is alone at the start (10s)");
  AddDurationFlag(
      command, "--batch-time", &flags->batch_time,
      "Least time of a batch, as there are more workers than cores (100ms)");
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(R"(
Workers come and go as the trace says, killed without notice. Goodput = examples
counted / examples that the live workers could have computed at the rate of one
undisturbed worker, which is measured at the start of the run. Audits the
result.
Example:
  ebb bench goodput --speed 60 --seconds 60)");
  command->callback([flags, exit_code] { *exit_code = BenchGoodput(*flags); });
}

}  // namespace ebb::tools

// `ebb sim`.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "sim/command.h"
#include "tools/command/command.h"
#include "tools/ebb/sim/sim_report.h"

namespace ebb::tools {

namespace {

// "A..B".
void ParseSeeds(const std::string& text, sim::CommandOptions* options) {
  const std::vector<std::string> ends = absl::StrSplit(text, "..");
  if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &options->first) ||
      !absl::SimpleAtoi(ends[1], &options->last) ||
      options->last < options->first) {
    throw CLI::ValidationError("--seeds",
                               "\"" + text + "\" is not A..B, like 1..2000");
  }
}

}  // namespace

void AddSimCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "sim", "Tries the protocol under simulated faults, seed by seed");
  const auto options = std::make_shared<sim::CommandOptions>();
  CLI::Option* range = command->add_option_function<std::string>(
      "--seeds",
      [options](const std::string& text) { ParseSeeds(text, options.get()); },
      "A..B: the seeds to run (1..100)");
  CLI::Option* one = command
                         ->add_option_function<uint64_t>(
                             "--seed",
                             [options](const uint64_t& seed) {
                               options->first = options->last = seed;
                             },
                             "The one seed to run")
                         ->excludes(range);
  // With --report, a file; else nothing follows it.
  const auto traced = std::make_shared<std::string>();
  CLI::Option* trace =
      command
          ->add_option("--trace", *traced,
                       "Print every event of a single seed; with --report: the "
                       "record of a spot market (CSV t_s,op,node)")
          ->expected(0, 1);
  command->add_flag("--require-probes", options->require_probes,
                    "Also fail if some fault or rare path never happened");
  const auto runs = std::make_shared<bool>();
  command->add_flag("--runs", *runs,
                    "The jobs of these seeds push runs of local steps");
  const auto growing = std::make_shared<bool>();
  command->add_flag("--growing", *growing,
                    "The jobs of these seeds train on data that grows");
  command->add_option("--threads", options->threads,
                      "Threads; 0: one per core");
  command->add_flag("--scale", options->scale,
                    "Simulate one large run without faults instead of seeds");
  const auto workers = std::make_shared<std::vector<int>>();
  command
      ->add_option("--workers", *workers,
                   "Workers of --scale (10000); with --report one row for each "
                   "(10,100,1000,10000)")
      ->delimiter(',');
  command->add_option("--servers", options->scale_servers, "Servers of --scale")
      ->capture_default_str();
  command
      ->add_option("--batches", options->scale_batches,
                   "Batches of --scale, for each worker")
      ->capture_default_str();
  const auto report = std::make_shared<bool>();
  command->add_flag(
      "--report", *report,
      "Estimate clusters of 10 to 10,000 workers on a spot market");
  const auto flags = std::make_shared<SimReportFlags>();
  AddSimReportFlags(command, flags.get());
  command->footer(R"(
The schedulers, servers and workers are the real ones. Time, network, disks and
crashes are simulated, and every seed repeats exactly. Exits 1 if an invariant
was violated. The market of --report is that of the p3 trace of Bamboo (NSDI
2023), unless a trace or its figures are given.
Examples:
  ebb sim --seed 17 --trace
  ebb sim --report --workers 10,100
  ebb sim --report --trace market.csv --batch-time 100ms)");
  command->callback([=] {
    if (*report) {
      if (!workers->empty()) flags->options.workers = *workers;
      flags->options.seed = options->first;
      flags->market.trace = *traced;
      if (trace->count() > 0 && flags->market.trace.empty()) {
        throw CLI::ValidationError("--trace", "of --report it needs a FILE");
      }
      *exit_code = SimReport(*flags);
      return;
    }
    if (trace->count() > 0 && one->count() == 0) {
      throw CLI::RequiresError("--trace", "--seed");
    }
    options->trace = trace->count() > 0;
    if (*runs) options->subject = sim::Subject::kRuns;
    if (*growing) options->subject = sim::Subject::kGrowing;
    if (!workers->empty()) options->scale_workers = workers->front();
    if (isatty(STDERR_FILENO) == 1) options->progress = &std::cerr;
    *exit_code = sim::Main(*options, std::cout) == 0 ? kExitGood : kExitFailed;
  });
}

}  // namespace ebb::tools

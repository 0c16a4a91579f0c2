// `ebb sim`.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "sim/command.h"
#include "tools/ebb/command.h"

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
                             "One seed")
                         ->excludes(range);
  command
      ->add_flag("--trace", options->trace,
                 "Print every event of a single seed")
      ->needs(one);
  command->add_flag("--require-probes", options->require_probes,
                    "Fail also if some fault or rare path never happened");
  command->add_option("--threads", options->threads, "0: one per core");
  command->add_flag("--scale", options->scale,
                    "One large run without faults instead of seeds");
  command->add_option("--workers", options->scale_workers, "Of --scale")
      ->capture_default_str();
  command->add_option("--servers", options->scale_servers, "Of --scale")
      ->capture_default_str();
  command
      ->add_option("--batches", options->scale_batches,
                   "Of --scale, for each worker")
      ->capture_default_str();
  command->footer(R"(
The schedulers, servers and workers are the real ones; time, network, disks and
crashes are simulated, and every seed repeats exactly. Exit code 1 if an
invariant was violated.
Example:
  ebb sim --seed 17 --trace)");
  command->callback([options, exit_code] {
    if (isatty(STDERR_FILENO) == 1) options->progress = &std::cerr;
    *exit_code = sim::Main(*options, std::cout) == 0 ? kExitGood : kExitFailed;
  });
}

}  // namespace ebb::tools

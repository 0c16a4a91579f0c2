// `ebb chaos`.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "tools/chaos/check_names.h"
#include "tools/chaos/scenario.h"
#include "tools/chaos/trace.h"
#include "tools/command/command.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/report/run_facts.h"
#include "tools/ebb/run/chaos_run.h"
#include "tools/ebb/run/run_flags.h"
#include "tools/files/files.h"
#include "tools/files/standard_input.h"
#include "tools/process/most_processes.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kWarmUp = absl::Seconds(10);

struct ChaosFlags {
  JobFlags job;
  RunOptions run;
  std::string trace;
  std::string scenario;
  bool live = false;
  double speed = 1;
  absl::Duration notice;
  // Zero: not given.
  absl::Duration warm_up;
  absl::Duration end_after;
  bool may_end_early = false;
  uint64_t seed = 0;
  bool make_trace = false;
  chaos::Market market;
  double hours = 12;
};

int MakeTrace(ChaosFlags& flags) {
  flags.market.duration = absl::Hours(flags.hours);
  flags.market.seed = flags.seed;
  const absl::Status valid = flags.market.Validate();
  if (!valid.ok()) return Report(valid);
  std::cout << chaos::MakeTrace(flags.market);
  return kExitGood;
}

absl::StatusOr<ChaosOptions> ByTrace(ChaosFlags* flags) {
  EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags->trace));
  EBB_ASSIGN_OR_RETURN(const chaos::Trace trace,
                       chaos::ReadTrace(text, flags->trace));
  ChaosOptions options;
  options.events = chaos::EventsOf(trace, flags->speed, flags->notice);
  options.warm_up =
      flags->warm_up > absl::ZeroDuration() ? flags->warm_up : kWarmUp;
  options.goodput_until_done = true;
  if (trace.peak_nodes > kMostWorkers) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags->trace, " has up to ", trace.peak_nodes,
        " machines at a time; at most ", kMostWorkers, " workers run here"));
  }
  flags->run.workers = std::max(flags->run.workers.value_or(0),
                                static_cast<int>(trace.peak_nodes));
  return options;
}

absl::StatusOr<ChaosOptions> ByScenario(ChaosFlags* flags) {
  EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags->scenario));
  EBB_ASSIGN_OR_RETURN(chaos::Scenario scenario,
                       chaos::ReadScenario(text, flags->scenario));
  ChaosOptions options;
  options.events = std::move(scenario.events);
  options.may_end_early = flags->may_end_early;
  options.warm_up = flags->warm_up;
  options.batch_time = scenario.compute.value_or(absl::ZeroDuration());
  if (!flags->run.servers) flags->run.servers = scenario.servers;
  if (!flags->run.workers) flags->run.workers = scenario.workers;
  if (!flags->run.servers) flags->run.servers = RunFacts().servers;
  if (!flags->run.workers) flags->run.workers = RunFacts().workers;
  options.workers = *flags->run.workers;
  EBB_RETURN_IF_ERROR(chaos::CheckNames(options.events,
                                        {*flags->run.servers, options.workers},
                                        {kMostServers, kMostWorkers}));
  return options;
}

// Events come while the run goes on, and it ends when there are no more.
absl::StatusOr<ChaosOptions> Live(ChaosFlags* flags) {
  if (flags->job.file == kStandardInput) {
    return absl::InvalidArgumentError(
        "the job and --live both read the standard input\nhint: write the job "
        "to a file");
  }
  ChaosOptions options;
  options.warm_up = flags->warm_up;
  options.live = STDIN_FILENO;
  options.may_end_early = true;
  if (!flags->run.workers) flags->run.workers = RunFacts().workers;
  options.workers = *flags->run.workers;
  return options;
}

absl::StatusOr<ChaosOptions> OptionsOf(ChaosFlags* flags) {
  const int ways = (flags->trace.empty() ? 0 : 1) +
                   (flags->scenario.empty() ? 0 : 1) + (flags->live ? 1 : 0);
  if (flags->job.file.empty() || ways != 1) {
    return absl::InvalidArgumentError(
        "give a job file and one of --scenario FILE, --trace FILE and --live");
  }
  if (flags->may_end_early && flags->scenario.empty()) {
    return absl::InvalidArgumentError(
        "--may-end-early is for --scenario FILE\nhint: leave it out; a job may "
        "end before a trace or the standard input does");
  }
  if (flags->live) return Live(flags);
  return flags->trace.empty() ? ByScenario(flags) : ByTrace(flags);
}

int Chaos(ChaosFlags& flags) {
  if (flags.make_trace) return MakeTrace(flags);
  auto options = OptionsOf(&flags);
  if (!options.ok()) return Report(options.status());
  flags.run.job = flags.job.Choice();
  // All that come are to work; what the person sets goes before.
  const int64_t most =
      *flags.run.workers +
      (flags.trace.empty()
           ? std::ranges::count(options->events, chaos::Op::kAdd,
                                &chaos::ChaosEvent::op)
           : 0);
  flags.run.job.overrides.insert(flags.run.job.overrides.begin(),
                                 absl::StrCat("workers.max=", most));
  options->seed = flags.seed;
  if (flags.run.batch_time > absl::ZeroDuration()) {
    options->batch_time = flags.run.batch_time;
  }
  if (flags.end_after > absl::ZeroDuration()) {
    options->ends_after = flags.end_after;
  }
  ChaosRun chaos(*std::move(options));
  flags.run.disturbance = &chaos;
  return RunToItsEnd(flags.run);
}

}  // namespace

void AddChaosCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "chaos", "Trains a job on a cluster of its own, and disturbs it");
  const auto flags = std::make_shared<ChaosFlags>();
  AddJobFlags(command, &flags->job);
  command->get_option("JOB")->required(false);
  command->add_option(
      "--scenario", flags->scenario,
      "File that says which faults happen when (YAML); see examples/chaos/");
  command->add_flag("--live", flags->live,
                    "Carry out events as they come on the standard input, a "
                    "line each: {at: 0s, kill: ps-0}; the run ends with them");
  command->add_option("--trace", flags->trace,
                      "Spot-market record: workers come and go (CSV "
                      "t_s,op,node)");
  command
      ->add_option("--speed", flags->speed,
                   "Play the trace this many times faster")
      ->check(CLI::PositiveNumber);
  AddDurationFlag(command, "--notice", &flags->notice,
                  "How long before the trace takes a worker it is told (0)");
  AddDurationFlag(command, "--warm-up", &flags->warm_up,
                  "How long one worker is alone at the start; its rate is the "
                  "basis of goodput (10s with --trace, else 0)");
  AddDurationFlag(
      command, "--end-after", &flags->end_after,
      "End the run this long after the plan began, complete or not");
  command->add_flag("--may-end-early", flags->may_end_early,
                    "The job may end before all of the scenario was done");
  command->add_option("--chaos-seed", flags->seed,
                      "Seed of the choice of daemons, and of --make-trace");
  AddRunFlags(command, &flags->run);
  command->add_flag("--make-trace", flags->make_trace,
                    "Only print a trace of a market with these figures:");
  command->add_option("--nodes", flags->market.nodes, "Machines")
      ->group("Trace");
  command
      ->add_option("--hazard", flags->market.losses_per_node_hour,
                   "Losses of each machine in an hour")
      ->group("Trace");
  command
      ->add_option("--bulk", flags->market.bulk, "Machines taken at an instant")
      ->group("Trace");
  command->add_option("--hours", flags->hours, "Hours of the trace")
      ->group("Trace");
  command->footer(R"(
Trains as `ebb run`. The report also says which faults happened when, and, with
--warm-up, the goodput: examples counted / examples that the live workers could
have computed.
Examples:
  ebb chaos JOB.yaml --scenario examples/chaos/worker_killed.yaml
  ebb chaos --make-trace --nodes 24 --hazard 0.3 > market.csv
  ebb chaos JOB.yaml --trace market.csv --speed 60 --batch-time 50ms)");
  command->callback([flags, exit_code] { *exit_code = Chaos(*flags); });
}

}  // namespace ebb::tools

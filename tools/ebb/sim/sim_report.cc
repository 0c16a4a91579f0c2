#include "tools/ebb/sim/sim_report.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "job/fit.h"
#include "sim/command.h"
#include "tools/command/command.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

// From here on the objects of a row are gigabytes.
constexpr int kManyWorkers = 1000;

std::string ConsistencyText(const sim::ReportOptions& options) {
  if (options.rounds > 0) {
    return absl::StrCat("rounds of ", Count(options.rounds, "run"),
                        " for each worker");
  }
  return options.clock_bound < 0
             ? "ASP"
             : absl::StrCat("SSP(", options.clock_bound, ")");
}

std::string Assumptions(const sim::ReportOptions& options,
                        const std::string& source) {
  return absl::StrFormat(
      "market   %.3g losses an hour of each worker, %.3g at an instant, each "
      "replaced after %s\n         (%s)\n"
      "workers  a batch takes %s (10 %% more or less), an item of a lease %s, "
      "loading the data %s\n"
      "         (50 %% more or less); %s, the values pulled and a push to "
      "every server for each %s\n"
      "servers  one for %d workers, at least 2; nothing waits for a server's "
      "processor, disk or\n         network, a message takes 0.05 to 2 ms\n"
      "seed     %d\n\n",
      options.market.losses_per_worker_hour, options.market.bulk,
      DurationText(options.market.away), source,
      absl::FormatDuration(options.batch_time),
      absl::FormatDuration(std::max(
          options.rounds > 0 ? absl::ZeroDuration() : options.item_time,
          options.batch_time * static_cast<double>(options.period))),
      absl::FormatDuration(options.load_time), ConsistencyText(options),
      options.period == 0 ? "batch"
                          : absl::StrCat("run of ", options.period, " batches"),
      options.workers_per_server, options.seed);
}

constexpr char kHeader[] =
    "workers job steps servers  simulated losses goodput repeated waiting  "
    "pushed pulled  "
    "leases/s messages/s in    out  of one: in   out  scheduler   took\n";

std::string Line(const sim::ReportRow& row) {
  const double in = row.PerSecond(row.work.messages_in);
  const double out = row.PerSecond(row.work.messages_out);
  return absl::StrFormat(
      "%7s %9s %7d %10s %6d  %.4f  %6.3f%%  %5.2f%%  %6.4f %6.4f  %9s %13s %6s "
      " %10.3f %5.3f "
      "%8.2f%% %6s\n",
      WithCommas(row.workers),
      Short(static_cast<double>(row.workers * job::kStepsOfAWorker)),
      row.servers, DurationText(row.work.elapsed), row.work.losses,
      row.goodput(), 100 * row.repeated, 100 * row.waiting(), row.pushed(),
      row.pulled(), Short(row.PerSecond(row.work.leases)), Short(in),
      Short(out), in / row.workers, out / row.workers,
      100 * row.scheduler_load(), DurationText(row.took));
}

constexpr char kLegend[] = R"(
job steps  batches of a job that takes so many workers by default
goodput    examples counted / examples that the workers alive could have computed
repeated   computed again or in vain / counted; waiting: of the workers' time
pushed     how often a worker pushed all values, and pulled them, for each batch
messages   of the scheduler's sessions with workers and servers, a second
scheduler  of one core of this machine, what its decisions take: not reading,
           writing and storing the messages
)";

Json RowJson(const sim::ReportRow& row) {
  Json json = Json::Object();
  json["workers"] = row.workers;
  json["job_steps"] = row.workers * job::kStepsOfAWorker;
  json["servers"] = row.servers;
  json["simulated_s"] = absl::ToDoubleSeconds(row.work.elapsed);
  json["worker_s"] = absl::ToDoubleSeconds(row.work.alive);
  json["losses"] = row.work.losses;
  json["rate_of_one_worker"] = row.rate;
  json["counted"] = row.work.counted;
  json["goodput"] = row.goodput();
  json["repeated"] = row.repeated;
  json["waiting"] = row.waiting();
  json["pushed_per_batch"] = row.pushed();
  json["pulled_per_batch"] = row.pulled();
  json["leases_per_s"] = row.PerSecond(row.work.leases);
  json["messages_in_per_s"] = row.PerSecond(row.work.messages_in);
  json["messages_out_per_s"] = row.PerSecond(row.work.messages_out);
  json["scheduler_cores"] = row.scheduler_load();
  json["events"] = row.events;
  json["took_s"] = absl::ToDoubleSeconds(row.took);
  json["violation"] = row.violation.empty() ? Json() : Json(row.violation);
  return json;
}

Json OptionsJson(const sim::ReportOptions& options, const std::string& source) {
  Json json = Json::Object();
  Json& market = json["market"];
  market["source"] = source;
  market["losses_per_worker_hour"] = options.market.losses_per_worker_hour;
  market["bulk"] = options.market.bulk;
  market["away_s"] = absl::ToDoubleSeconds(options.market.away);
  json["batch_time_s"] = absl::ToDoubleSeconds(options.batch_time);
  json["item_time_s"] = absl::ToDoubleSeconds(options.item_time);
  json["load_time_s"] = absl::ToDoubleSeconds(options.load_time);
  if (options.clock_bound >= 0) json["clock_bound"] = options.clock_bound;
  if (options.period > 0) json["period"] = options.period;
  if (options.rounds > 0) json["rounds"] = options.rounds;
  json["workers_per_server"] = options.workers_per_server;
  json["seed"] = options.seed;
  json["rows"] = Json::List();
  return json;
}

sim::ReportRow RunRow(sim::ReportOptions options, int workers) {
  const bool watched = isatty(STDERR_FILENO) == 1;
  if (watched) {
    options.progress = [workers, last = -1](double share) mutable {
      const int percent = static_cast<int>(100 * share);
      if (std::exchange(last, percent) == percent) return;
      std::cerr << "\r" << WithCommas(workers) << " workers: " << percent
                << " % " << std::flush;
    };
  }
  sim::ReportRow row = sim::RunReportRow(options, workers);
  if (watched) std::cerr << "\r\33[K" << std::flush;
  return row;
}

}  // namespace

void AddSimReportFlags(CLI::App* command, SimReportFlags* flags) {
  sim::ReportOptions& options = flags->options;
  constexpr char kGroup[] = "Report";
  AddMarketFlags(command, kGroup, &flags->market);
  const auto add = [&](CLI::Option* option) { return option->group(kGroup); };
  const auto duration = [&](const char* name, absl::Duration* value,
                            const char* help) {
    AddDurationFlag(command, name, value, help);
    add(command->get_option(name));
  };
  duration("--batch-time", &options.batch_time, "Time of a batch (1s)");
  duration("--item-time", &options.item_time, "Time of an item (2s)");
  duration("--load-time", &options.load_time,
           "Time until a new worker has loaded its data (2s)");
  add(command->add_option("--clock-bound", options.clock_bound,
                          "Use SSP with this bound instead of ASP"));
  add(command->add_option("--period", options.period,
                          "Batches of a run of local steps (diloco)"));
  add(command->add_option("--rounds", options.rounds,
                          "Rounds of so many runs for each worker"));
  add(command->add_option("--workers-per-server", options.workers_per_server))
      ->capture_default_str();
  add(command->add_option("--losses", options.losses,
                          "Losses after which a row ends"))
      ->capture_default_str();
  add(command->add_option("--most-batches", options.most_batches,
                          "Batches after which a row ends in any case"))
      ->capture_default_str();
  add(command->add_flag("--json", flags->json, "Print JSON"));
}

int SimReport(SimReportFlags flags) {
  const absl::StatusOr<ChosenMarket> market = ChooseMarket(flags.market);
  if (!market.ok()) return Report(market.status());
  sim::ReportOptions& options = flags.options;
  options.market = market->rates;
  const absl::Status valid = options.Validate();
  if (!valid.ok()) return Report(valid);
  sim::LogOnlyErrors();
  Json json = OptionsJson(options, market->source);
  if (!flags.json) std::cout << Assumptions(options, market->source) << kHeader;
  bool good = true, huge = false;
  for (const int workers : options.workers) {
    if (workers >= kManyWorkers && !std::exchange(huge, true)) {
      sim::UseHugePages();
    }
    std::cout << std::flush;
    const sim::ReportRow row = RunRow(options, workers);
    good &= row.violation.empty();
    json["rows"].Add(RowJson(row));
    if (flags.json) continue;
    std::cout << (row.violation.empty()
                      ? Line(row)
                      : absl::StrCat("VIOLATION ", row.violation, "\n"));
  }
  if (flags.json) {
    std::cout << json.ToString();
  } else {
    std::cout << kLegend;
    if (good) {
      std::cout << "Every invariant was checked at each step, but for single "
                   "weights, and held;\neach job was exact at its end.\n";
    }
  }
  return good ? kExitGood : kExitFailed;
}

}  // namespace ebb::tools

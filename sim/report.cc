#include "sim/report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/steady_time.h"
#include "sim/scenario.h"
#include "sim/simulator.h"

namespace ebb::sim {

namespace {

constexpr absl::Duration kShortest = absl::Seconds(10);
// Enough to see what a pull or push in the way costs.
constexpr int kBatchesAlone = 200;
// Items of an epoch.
constexpr int64_t kItemsPerWorker = 16;

// An item is a whole number of runs, as those of jobs are.
int64_t BatchesPerItem(const ReportOptions& options) {
  const int64_t run = std::max(1, options.period);
  if (options.rounds > 0) return run;
  const int64_t batches =
      std::llround(absl::FDivDuration(options.item_time, options.batch_time));
  return std::max<int64_t>(1, batches / run) * run;
}

// A job of so many batches at least, each an example, on a cluster where
// nothing goes wrong yet. `workers` are all that ever come; `wanted` are there
// at once.
Scenario Cluster(const ReportOptions& options, int workers, int wanted,
                 int servers, int64_t batches) {
  Scenario s;
  s.servers = servers;
  s.workers = workers;
  JobPlan& plan = s.plan;
  plan.batch_by_epoch = {1};
  plan.shard_size = BatchesPerItem(options);
  // In an epoch that is over, marks are one number.
  int64_t items = kItemsPerWorker * workers;
  if (options.rounds > 0) {
    const int64_t round = int64_t{options.rounds} * wanted;
    plan.consistency.kind = ConsistencyKind::kRounds;
    plan.consistency.round_items = static_cast<int32_t>(round);
    items = ((items - 1) / round + 1) * round;  // Each epoch has whole rounds.
  } else if (options.clock_bound >= 0) {
    plan.consistency.kind = ConsistencyKind::kSsp;
    plan.consistency.clock_bound = options.clock_bound;
  }
  plan.examples = plan.shard_size * items;
  plan.epochs = static_cast<int32_t>((batches - 1) / plan.examples + 1);
  plan.partitions = servers;
  plan.block_floats = 16;  // The smallest: only the oracle's values count.
  plan.parameters = servers * plan.block_floats;
  plan.oracle_width = 1;
  if (options.period > 0) {
    const int32_t push = options.rounds > 0 ? 0 : options.period;
    plan.algorithm = {.push_batches = push,
                      .pull_batches = push,
                      .worker_vectors = 3,
                      .runs = true};
  }
  s.dense_values = false;
  s.scheduler.min_servers = servers;
  s.update = {absl::ZeroDuration(), absl::ZeroDuration()};
  s.prepare = {options.load_time * 0.5, options.load_time * 1.5};
  s.longest = absl::InfiniteDuration();
  // Between two pushes of a worker there is a run.
  s.patience += options.batch_time * (4.0 * options.period);
  s.most_events = std::numeric_limits<int64_t>::max();
  return s;
}

// Without luck: each batch takes what a batch takes on average.
double RateAlone(const ReportOptions& options, int servers) {
  const absl::Duration from = options.MeasuredFrom();
  const absl::Duration until = from + options.batch_time * kBatchesAlone;
  Scenario s = Cluster(
      options, 1, 1, servers,
      static_cast<int64_t>(absl::FDivDuration(until, options.batch_time)) + 1);
  s.compute = {options.batch_time, options.batch_time};
  s.measured_from = from;
  s.measured_until = until;
  const Work work = RunScenario({}, s, options.seed).work;
  return work.computed / absl::ToDoubleSeconds(work.elapsed);
}

absl::Status OutOfRange(absl::string_view what, absl::string_view range) {
  return absl::InvalidArgumentError(absl::StrCat(what, "; give ", range));
}

}  // namespace

absl::Status ReportOptions::Validate() const {
  const auto time = [](absl::Duration time, absl::Duration most) {
    return time >= absl::Milliseconds(1) && time <= most;
  };
  for (const int n : workers) {
    if (n < 1 || n > 20'000) {
      return OutOfRange(absl::StrCat(n, " workers"), "1 to 20000");
    }
  }
  if (workers.empty()) return OutOfRange("no workers", "a number of them");
  if (!(market.losses_per_worker_hour >= 0 &&
        market.losses_per_worker_hour <= 3600)) {
    return OutOfRange(absl::StrCat(market.losses_per_worker_hour,
                                   " losses an hour of each worker"),
                      "0 to 3600");
  }
  if (!(market.bulk >= 1 && market.bulk <= 20'000)) {
    return OutOfRange(
        absl::StrCat(market.bulk, " workers taken at one instant"),
        "1 to 20000");
  }
  if (!time(market.away, absl::Hours(24))) {
    return OutOfRange(absl::StrCat("lost workers replaced after ",
                                   absl::FormatDuration(market.away)),
                      "1ms to 24h");
  }
  if (!time(batch_time, absl::Hours(1))) {
    return OutOfRange(
        absl::StrCat("a batch of ", absl::FormatDuration(batch_time)),
        "1ms to 1h");
  }
  if (!time(item_time, absl::Hours(1)) || item_time / batch_time > 10'000) {
    return OutOfRange(
        absl::StrCat("an item of ", absl::FormatDuration(item_time)),
        "1ms to 1h, and no more than 10000 batches");
  }
  if (!time(load_time, absl::Hours(1))) {
    return OutOfRange(
        absl::StrCat("loading for ", absl::FormatDuration(load_time)),
        "1ms to 1h");
  }
  if (clock_bound < -1 || clock_bound > 1'000'000) {
    return OutOfRange(absl::StrCat("a clock bound of ", clock_bound),
                      "-1 (none) to 1000000");
  }
  if (period < 0 || period > 10'000) {
    return OutOfRange(absl::StrCat("runs of ", period, " batches"),
                      "1 to 10000");
  }
  if (rounds < 0 || rounds > 1000 || (rounds > 0 && period == 0)) {
    return OutOfRange(absl::StrCat("rounds of ", rounds, " runs a worker"),
                      "1 to 1000, and how many batches a run has");
  }
  if (period > 0 && clock_bound >= 0) {
    return OutOfRange("runs with a clock bound", "one of them");
  }
  if (workers_per_server < 1) {
    return OutOfRange(absl::StrCat(workers_per_server, " workers per server"),
                      "at least 1");
  }
  for (const int n : workers) {
    if (Servers(n) > 1000) {
      return OutOfRange(absl::StrCat(Servers(n), " servers for ", n,
                                     " workers, of which one is to serve ",
                                     workers_per_server),
                        "so many workers to a server that 1000 servers do");
    }
  }
  if (!(losses > 0 && losses <= 1e6)) {
    return OutOfRange(absl::StrCat(losses, " losses in a row"), "1 to 1000000");
  }
  if (most_batches < 1 || most_batches > 1'000'000'000) {
    return OutOfRange(absl::StrCat(most_batches, " batches in a row"),
                      "1 to 1000000000");
  }
  return absl::OkStatus();
}

int ReportOptions::Servers(int workers) const {
  return std::max(2, (workers - 1) / workers_per_server + 1);
}

absl::Duration ReportOptions::MeasuredFrom() const {
  // Workers that run begin all at once, and are spread out after some runs.
  const absl::Duration run =
      std::max(item_time, batch_time * static_cast<double>(2 * period));
  return load_time * 1.5 + run + 2 * batch_time + absl::Seconds(1);
}

absl::Duration ReportOptions::MeasuredUntil(int workers) const {
  absl::Duration length =
      batch_time * (static_cast<double>(most_batches) / workers);
  if (market.losses_per_worker_hour > 0) {
    length = std::min(
        length,
        absl::Hours(losses / (market.losses_per_worker_hour * workers)));
  }
  return MeasuredFrom() + std::max(length, kShortest);
}

double ReportRow::goodput() const {
  if (runs) return (1 - waiting()) / (1 + repeated);
  return static_cast<double>(work.counted) /
         (rate * absl::ToDoubleSeconds(work.alive));
}

double ReportRow::waiting() const {
  // Batches that happen to be short may make it less than nothing.
  return std::max(
      0.0, 1 - work.computed / (rate * absl::ToDoubleSeconds(work.alive)));
}

double ReportRow::pushed() const {
  return static_cast<double>(work.pushes) / servers / work.computed;
}

double ReportRow::pulled() const {
  return static_cast<double>(work.pulls) / servers / work.computed;
}

double ReportRow::PerSecond(int64_t n) const {
  return static_cast<double>(n) / absl::ToDoubleSeconds(work.elapsed);
}

double ReportRow::scheduler_load() const {
  return absl::FDivDuration(work.scheduler_took, work.elapsed);
}

ReportRow RunReportRow(const ReportOptions& options, int workers) {
  const absl::Time begin = SteadyNow();
  ReportRow row;
  row.workers = workers;
  row.servers = options.Servers(workers);
  row.runs = options.period > 0;
  row.rate = RateAlone(options, row.servers);
  const absl::Duration until = options.MeasuredUntil(workers);
  Churn churn =
      PlanChurn(options.market, workers, until, Rng(options.seed).Fork(3));
  // More than all can do by then, so that no worker runs out of work.
  const double possible = row.rate * absl::ToDoubleSeconds(churn.Presence(
                                         absl::ZeroDuration(), until));
  const auto batches = static_cast<int64_t>(possible * 1.01) +
                       4 * workers * BatchesPerItem(options);
  Scenario s = Cluster(options, churn.workers, workers, row.servers, batches);
  s.compute = {options.batch_time * 0.9, options.batch_time * 1.1};
  s.absent_workers = churn.workers - churn.at_first;
  s.churn = std::move(churn.events);
  s.measured_from = options.MeasuredFrom();
  s.measured_until = until;
  Options run;
  if (options.progress != nullptr) {
    run.progress = [&](const Progress& progress) {
      options.progress(
          std::min(1.0, absl::FDivDuration(progress.virtual_time, until)));
    };
  }
  const Result result = RunScenario(run, s, options.seed);
  row.work = result.work;
  const auto counted = static_cast<double>(s.plan.examples * s.plan.epochs);
  // A job of runs goes on for long after the last worker was lost.
  row.repeated = (result.total.computed - counted) /
                 (row.runs ? std::min(possible, counted) : counted);
  row.events = result.events;
  row.violation = result.violation;
  row.took = SteadyNow() - begin;
  return row;
}

}  // namespace ebb::sim

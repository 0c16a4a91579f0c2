// `ebb advise`.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/ebb/advise/advice.h"
#include "tools/ebb/advise/goodputs.h"
#include "tools/ebb/advise/local_speed.h"
#include "tools/ebb/advise/machine_kinds.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/job/job_text.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/sim/market_flags.h"
#include "tools/files/files.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {
namespace {

constexpr int kShownOffers = 12;
// The goodput hardly depends on how many workers there are.
constexpr int64_t kSimulatedWorkers = 10;

struct AdviseFlags {
  JobFlags job;
  std::string prices;
  MarketFlags market;
  absl::Duration deadline = absl::InfiniteDuration();
  double chance = 0.9;
  absl::Duration measure = absl::Seconds(20);
  std::optional<double> rate;
  double rate_error = 0.1;
  absl::Duration load = absl::Seconds(2);
  std::optional<double> workers_per_server;
  int64_t most_workers = 0;
  uint64_t seed = 1;
  bool json = false;
};

// The facts on which advice rests.
struct Basis {
  PreparedJob job;
  MachineKinds kinds;
  ChosenMarket market;
  MeasuredWork work;
  absl::Duration measured;       // Zero: the speed was given.
  std::vector<double> goodputs;  // By kind.
  double example_batch = 1;      // Examples of a batch, and of an item.
  double example_item = 1;
  int64_t period = 0;  // These two are as SimulatedCluster has them.
  int64_t rounds = 0;
};

void Say(absl::string_view what) {
  if (isatty(STDERR_FILENO) == 1) std::cerr << "\r\33[K" << what << std::flush;
}

// The flags of a job, for another program of ebb.
std::vector<std::string> Words(const JobFlags& job) {
  std::vector<std::string> words = {job.file};
  if (!job.epochs.empty()) {
    words.insert(words.end(), {"--epochs", job.epochs});
  }
  if (!job.seed.empty()) words.insert(words.end(), {"--seed", job.seed});
  for (const std::string& set : job.set) {
    words.insert(words.end(), {"--set", set});
  }
  for (const std::string& folder : job.plugin_folders) {
    words.insert(words.end(), {"--allow-plugins", folder});
  }
  return words;
}

// Examples of the whole job.
double ExamplesOf(const JobPlan& plan) {
  return static_cast<double>(plan.examples) * plan.epochs;
}

absl::Status Measure(const AdviseFlags& flags, SignalWaiter* signals,
                     Basis* basis) {
  MeasuredWork& work = basis->work;
  work.load = flags.load;
  if (flags.rate) {
    work.rate = *flags.rate;
    work.rate_error = flags.rate_error;
    return absl::OkStatus();
  }
  LocalSpeedOptions options = {.program_folder = ProgramFolder(),
                               .job = Words(flags.job),
                               .length = flags.measure};
  Say("starting the job to measure it");
  options.progress = [&](absl::Duration over) {
    Say(absl::StrFormat("measuring the job with one worker: %s of %s",
                        DurationText(over), DurationText(flags.measure)));
  };
  absl::StatusOr<LocalSpeed> speed = MeasureLocalSpeed(options, signals);
  Say("");
  EBB_RETURN_IF_ERROR(speed.status());
  work.rate = speed->rate;
  work.rate_error = speed->rate_error;
  work.load = speed->load;
  work.server_seconds = speed->server_seconds;
  basis->measured = speed->measured;
  return absl::OkStatus();
}

// The goodput of each kind, of this job on such machines.
absl::Status Simulate(const AdviseFlags& flags, SignalWaiter* signals,
                      Basis* basis) {
  std::vector<SimulatedCluster> clusters;
  for (const WorkerKind& kind : basis->kinds.workers) {
    const double rate = basis->work.rate * kind.speed;
    clusters.push_back({
        .name = kind.name,
        .workers =
            std::min({kSimulatedWorkers, kind.most, basis->work.most_workers}),
        .rates = RatesOf(kind, basis->market.rates),
        .batch = absl::Seconds(basis->example_batch / rate),
        .item = absl::Seconds(basis->example_item / rate),
        .load = basis->work.load,
        .period = basis->period,
        .rounds = basis->rounds,
    });
  }
  GoodputOptions options = {.program_folder = ProgramFolder(),
                            .seed = flags.seed};
  options.progress = [](size_t over, size_t all) {
    Say(absl::StrCat("simulating kinds of machines: ", over, " of ", all,
                     " done"));
  };
  EBB_ASSIGN_OR_RETURN(basis->goodputs,
                       SimulateGoodputs(clusters, options, signals));
  return absl::OkStatus();
}

absl::StatusOr<Basis> Prepare(const AdviseFlags& flags) {
  Basis basis;
  // Before any thread: they hold back the same signals. What is measured or
  // simulated leaves no files behind.
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  if (flags.job.file == "-" && !flags.rate) {
    return absl::InvalidArgumentError(
        "the job comes from the standard input, and is read twice to be "
        "measured: put it into a file, or say its speed (--rate)");
  }
  EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.prices));
  EBB_ASSIGN_OR_RETURN(basis.kinds, ReadMachineKinds(text, flags.prices));
  EBB_ASSIGN_OR_RETURN(basis.market, ChooseMarket(flags.market));
  Say("reading the data");
  EBB_ASSIGN_OR_RETURN(basis.job, PrepareJob(flags.job.Choice()));
  const JobPlan& plan = basis.job.record.plan;
  basis.work.examples = ExamplesOf(plan);
  basis.example_batch = static_cast<double>(plan.batch_by_epoch.front());
  basis.example_item = static_cast<double>(plan.shard_size);
  if (plan.algorithm.runs) {
    basis.period = plan.algorithm.push_batches;
    if (plan.rounds()) {  // An item is a run.
      basis.period = (plan.shard_size - 1) / plan.batch_by_epoch.front() + 1;
      basis.rounds = std::max(
          1, plan.consistency.round_items / std::max(1, plan.max_workers));
    }
  }
  basis.work.most_workers = flags.most_workers > 0 ? flags.most_workers
                            : plan.max_workers > 0 ? plan.max_workers
                                                   : INT32_MAX;
  EBB_RETURN_IF_ERROR(Measure(flags, &signals, &basis));
  if (flags.workers_per_server) {
    basis.work.server_seconds = kServerShare * basis.kinds.server.processors /
                                (*flags.workers_per_server * basis.work.rate);
  }
  EBB_RETURN_IF_ERROR(Simulate(flags, &signals, &basis));
  Say("");
  return basis;
}

std::string HoursText(double hours) {
  return std::isfinite(hours) ? DurationText(absl::Hours(hours)) : "longer";
}

std::string SpreadText(const Spread& spread) {
  return absl::StrFormat("%.4g (%.4g to %.4g)", spread.middle, spread.low,
                         spread.high);
}

std::string Facts(const AdviseFlags& flags, const Basis& basis) {
  const MeasuredWork& work = basis.work;
  std::string text = absl::StrFormat(
      "job        %s: %s\n", basis.job.job.name(), WorkText(basis.job, "×"));
  const std::string speed = absl::StrFormat(
      "%s examples/s of one worker, ± %.0f %%, %s until it trains",
      WithCommas(std::llround(work.rate)), 100 * work.rate_error,
      DurationText(work.load));
  if (flags.rate) {
    absl::StrAppend(&text, "given      ", speed, "\n");
  } else {
    absl::StrAppendFormat(
        &text,
        "measured   %s, for %s on this machine;\n           a server's "
        "processor was busy for %.1f %% of that\n",
        speed, DurationText(basis.measured),
        100 * work.server_seconds * work.rate);
  }
  absl::StrAppendFormat(
      &text,
      "market     %.3g losses an hour of each machine where the table does "
      "not say, %.3g at an\n           instant, each replaced after %s (%s)\n",
      basis.market.rates.losses_per_worker_hour, basis.market.rates.bulk,
      DurationText(basis.market.rates.away), basis.market.source);
  for (size_t i = 0; i < basis.kinds.workers.size(); ++i) {
    absl::StrAppendFormat(&text, "goodput    %.4f on %s, simulated\n",
                          basis.goodputs[i], basis.kinds.workers[i].name);
  }
  return text;
}

constexpr char kAssumed[] = R"(
Assumed: workers wait for each other in rounds of local steps only, and never
for the network or for servers, which are at most 70 % busy; servers and the
scheduler stay, and share their machines. A machine is paid for while it is
there. `workers` is how many are there on average: as many more are wanted as the
market has away. Time and price are those of the middle of the draws, and of one
tenth and nine tenths.
)";

std::string Table(const Basis& basis, const std::vector<Offer>& offers,
                  const Offer* best, bool deadline) {
  std::vector<const Offer*> shown;
  for (const Offer& offer : offers) shown.push_back(&offer);
  const auto rank = [](const Offer* offer) { return offer->price.middle; };
  // Offers that are in time most often come first.
  std::ranges::stable_sort(shown, [&](const Offer* a, const Offer* b) {
    if (deadline && a->in_time != b->in_time) return a->in_time > b->in_time;
    return rank(a) < rank(b);
  });
  if (best != nullptr) {
    std::stable_partition(shown.begin(), shown.end(),
                          [&](const Offer* offer) { return offer == best; });
  }
  TextTable table({"kind", "workers", "servers", "time", "price", "in time"},
                  {1, 2, 5});
  for (const Offer* offer :
       std::span(shown).first(std::min<size_t>(shown.size(), kShownOffers))) {
    table.Add(
        {basis.kinds.workers[offer->kind].name, WithCommas(offer->workers),
         WithCommas(offer->servers),
         absl::StrCat(HoursText(offer->hours.middle), " (",
                      HoursText(offer->hours.low), " to ",
                      HoursText(offer->hours.high), ")"),
         SpreadText(offer->price),
         deadline ? absl::StrFormat("%.0f %%", 100 * offer->in_time) : "-"});
  }
  std::string text = table.ToString();
  if (shown.size() > kShownOffers) {
    absl::StrAppendFormat(&text, "… and %d more (--json has all)\n",
                          shown.size() - kShownOffers);
  }
  return text;
}

std::string Verdict(const AdviseFlags& flags, const Basis& basis,
                    const std::vector<Offer>& offers, const Offer* best) {
  const bool deadline = flags.deadline != absl::InfiniteDuration();
  const auto of = [&](const Offer& offer) {
    return absl::StrFormat(
        "%s of %s and %s of %s", Count(offer.workers, "worker"),
        basis.kinds.workers[offer.kind].name, Count(offer.servers, "server"),
        basis.kinds.server.name);
  };
  if (best != nullptr) {
    return absl::StrFormat(
        "Cheapest%s: %s, for %.4g in %s.\n",
        deadline ? absl::StrFormat(" that is done in %s with a chance of %g",
                                   DurationText(flags.deadline), flags.chance)
                 : "",
        of(*best), best->price.middle, HoursText(best->hours.middle));
  }
  const Offer& fastest = *Fastest(offers);
  return absl::StrFormat(
      "No number of these machines is done in %s with a chance of %g: the "
      "fastest, %s, takes %s.\nhint: a longer deadline, faster machines, or "
      "more workers (workers.max of the job, --most-workers)\n",
      DurationText(flags.deadline), flags.chance, of(fastest),
      HoursText(fastest.hours.middle));
}

Json SpreadJson(const Spread& spread) {
  Json json = Json::Object();
  json["low"] = spread.low;
  json["middle"] = spread.middle;
  json["high"] = spread.high;
  return json;
}

Json OfferJson(const Basis& basis, const Offer& offer) {
  Json json = Json::Object();
  json["kind"] = basis.kinds.workers[offer.kind].name;
  json["workers"] = offer.workers;
  json["servers"] = offer.servers;
  json["hours"] = SpreadJson(offer.hours);
  json["price"] = SpreadJson(offer.price);
  json["in_time"] = offer.in_time;
  return json;
}

Json AdviceJson(const AdviseFlags& flags, const Basis& basis,
                const std::vector<Offer>& offers, const Offer* best) {
  Json json = Json::Object();
  json["job"] = basis.job.job.name();
  json["examples"] = basis.work.examples;
  json["examples_per_second"] = basis.work.rate;
  json["rate_error"] = basis.work.rate_error;
  json["load_s"] = absl::ToDoubleSeconds(basis.work.load);
  json["server_seconds_per_example"] = basis.work.server_seconds;
  json["market"] = basis.market.source;
  json["deadline_hours"] = absl::ToDoubleHours(flags.deadline);
  json["chance"] = flags.chance;
  Json& goodputs = json["goodput"] = Json::Object();
  for (size_t i = 0; i < basis.goodputs.size(); ++i) {
    goodputs[basis.kinds.workers[i].name] = basis.goodputs[i];
  }
  json["best"] = best == nullptr ? Json() : OfferJson(basis, *best);
  json["offers"] = Json::List();
  for (const Offer& offer : offers) json["offers"].Add(OfferJson(basis, offer));
  return json;
}

int Advise(const AdviseFlags& flags) {
  const absl::StatusOr<Basis> basis = Prepare(flags);
  if (!basis.ok()) {
    Say("");
    if (absl::IsAborted(basis.status())) return kExitInterrupted;
    return Report(basis.status());
  }
  const auto goodput = [&](const WorkerKind& kind, const sim::ChurnRates&) {
    return basis->goodputs[&kind - basis->kinds.workers.data()];
  };
  const std::vector<Offer> offers = Offers(basis->kinds, basis->work,
                                           {.deadline = flags.deadline,
                                            .chance = flags.chance,
                                            .market = basis->market.rates,
                                            .goodput = goodput,
                                            .seed = flags.seed});
  const bool deadline = flags.deadline != absl::InfiniteDuration();
  const Offer* best = Cheapest(offers, deadline ? flags.chance : 0);
  if (flags.json) {
    std::cout << AdviceJson(flags, *basis, offers, best).ToString();
  } else {
    std::cout << Facts(flags, *basis) << "\n"
              << Table(*basis, offers, best, deadline) << kAssumed << "\n"
              << Verdict(flags, *basis, offers, best);
  }
  return best != nullptr ? kExitGood : kExitFailed;
}

}  // namespace

void AddAdviseCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "advise", "Says which machines train a job in time for the least money");
  const auto flags = std::make_shared<AdviseFlags>();
  AddJobFlags(command, &flags->job);
  command
      ->add_option("--prices", flags->prices,
                   "Table of machines (CSV kind,role,price,speed,losses,most)")
      ->required();
  AddDurationFlag(command, "--deadline", &flags->deadline,
                  "The job is to be done by then, such as 2h (no deadline)");
  command
      ->add_option("--chance", flags->chance,
                   "With this chance it is done by then")
      ->check(CLI::Range(0.01, 0.99))
      ->capture_default_str();
  AddDurationFlag(command, "--measure", &flags->measure,
                  "Train so long on this machine to measure (20s)");
  command
      ->add_option("--rate", flags->rate,
                   "Examples a second of one worker, instead of measuring")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--rate-error", flags->rate_error,
                   "Standard deviation of --rate over it")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  AddDurationFlag(command, "--load-time", &flags->load,
                  "With --rate: until a worker has loaded its data (2s)");
  command
      ->add_option("--workers-per-server", flags->workers_per_server,
                   "Instead of what was measured")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--most-workers", flags->most_workers,
                   "Instead of workers.max of the job")
      ->check(CLI::Range(1, 20'000));
  command
      ->add_option("--trace", flags->market.trace,
                   "Record of a spot market (CSV t_s,op,node)")
      ->group("Market");
  AddMarketFlags(command, "Market", &flags->market);
  command->add_option("--draws-seed", flags->seed, "Seed of what is drawn (1)");
  AddJsonFlag(command, &flags->json);
  command->footer(R"(
Trains the job on this machine for a while, simulates the market, and draws how
long each number of each kind of machine would take. Prices are for an hour, in
any currency. Exits 1 if nothing is done in time.
Example of a table:
  kind,role,price,speed,losses,most
  spot,worker,0.034,1,0.3,64
  plain,worker,0.12,1,0,16
  steady,server,0.20,8,,
Example:
  ebb advise job.yaml --prices prices.csv --deadline 2h)");
  command->callback([=] { *exit_code = Advise(*flags); });
}

}  // namespace ebb::tools

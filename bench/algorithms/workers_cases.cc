#include "bench/algorithms/workers_cases.h"

#include <algorithm>
#include <deque>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/algorithms/algorithm_cases.h"
#include "common/scores/figures.h"

namespace ebb::tools {

namespace {

// The default job, as its algorithms' settings change it.
std::vector<std::string> SettingsOf(const std::string& variant, int workers) {
  if (variant == kDefaultVariant) return {};
  std::vector<std::string> settings = {absl::StrCat("workers.max=", workers)};
  if (variant == "sgd" || variant == "dynsgd") {
    settings.push_back(absl::StrCat("algorithm.kind=", variant));
  } else if (variant == "ssp") {
    settings.push_back("consistency.kind=ssp");
    settings.push_back("consistency.bound=4");
  }
  return settings;
}

class CaseList {
 public:
  explicit CaseList(const WorkersOptions& options) : options_(options) {}

  std::vector<WorkersCase> Make() && {
    for (const int seed : options_.seeds) {
      for (const char* disturbance : {kQuiet, kKills}) {
        if (!Chosen(options_.disturbances, disturbance)) continue;
        for (const WorkersJob* job : Jobs()) {
          for (const int workers : options_.counts) {
            if (!job->held_out || HeldOutHas(workers)) {
              Add(*job, kDefaultVariant, disturbance, workers, seed);
            }
          }
        }
      }
      for (const WorkersJob* job : Jobs()) {
        if (Chosen(options_.disturbances, kMarket)) {
          Add(*job, kDefaultVariant, kMarket, kMarketLow, seed);
        }
        if (job->held_out || !Chosen(options_.disturbances, kTraces)) continue;
        for (const RecordedTrace& recorded : options_.traces) {
          Add(*job, kDefaultVariant, recorded.name,
              NodesAtStart(recorded.trace), seed);
        }
      }
    }
    if (Chosen(options_.disturbances, kQuiet)) {
      AddVariants();
      AddSpeed();
    }
    return std::move(cases_);
  }

 private:
  static bool HeldOutHas(int workers) {
    return workers == 1 || workers == 16 || workers == 64;
  }

  std::vector<const WorkersJob*> Jobs() const {
    std::vector<const WorkersJob*> jobs;
    for (const WorkersJob& job : WorkersJobs()) {
      if (job.held_out && !options_.held_out) continue;
      if (options_.data.empty() || Chosen(options_.data, job.data)) {
        jobs.push_back(&job);
      }
    }
    return jobs;
  }

  static bool Chosen(const std::vector<std::string>& names,
                     const std::string& name) {
    return std::ranges::count(names, name) > 0;
  }

  void Add(const WorkersJob& job, const std::string& variant,
           const std::string& disturbance, int workers, int seed) {
    WorkersCase one = {.data = job.data,
                       .variant = variant,
                       .disturbance = disturbance,
                       .workers = workers,
                       .seed = seed,
                       .settings = SettingsOf(variant, workers)};
    one.settings.push_back(absl::StrCat("seed=", seed));
    // The kills are deliberate: they do not make an item poison.
    if (disturbance != kQuiet) one.settings.push_back("quarantine_after=100");
    cases_.push_back(std::move(one));
  }

  // Side by side, undisturbed, with one seed.
  void AddVariants() {
    for (const WorkersJob* job : Jobs()) {
      if (job->data != "fashion-softmax" && job->data != "fashion-perceptron" &&
          job->data != "clicks-fm") {
        continue;
      }
      for (const std::string& variant : options_.variants) {
        for (const int workers : {1, 16, 64}) {
          if (variant == kDefaultVariant) continue;  // It is there.
          if (std::ranges::count(options_.counts, workers) == 0) continue;
          Add(*job, variant, kQuiet, workers, options_.seeds.front());
        }
      }
    }
  }

  void AddSpeed() {
    if (std::ranges::count(options_.counts, kSpeedWorkers) == 0) return;
    for (const WorkersJob* job : Jobs()) {
      if (job->data != "fashion-softmax") continue;
      Add(*job, kSpeedVariant, kQuiet, 1, options_.seeds.front());
      Add(*job, kSpeedVariant, kQuiet, kSpeedWorkers, options_.seeds.front());
    }
  }

  const WorkersOptions& options_;
  std::vector<WorkersCase> cases_;
};

}  // namespace

std::span<const WorkersJob> WorkersJobs() {
  static const auto* const kJobs = new std::vector<WorkersJob>{
      {.data = "fashion-softmax",
       .title = "Fashion-MNIST, softmax regression",
       .file = "examples/jobs/workers_softmax.yaml",
       .metric = std::string(kAccuracy),
       .example_cost = absl::Nanoseconds(900)},
      {.data = "fashion-perceptron",
       .title = "Fashion-MNIST, a perceptron",
       .file = "examples/jobs/workers_perceptron.yaml",
       .metric = std::string(kAccuracy),
       .example_cost = absl::Nanoseconds(5500)},
      {.data = "clicks-fm",
       .title = "Clicks, a factorisation machine",
       .file = "examples/jobs/workers_fm.yaml",
       .metric = std::string(kLogLoss),
       .example_cost = absl::Nanoseconds(1500)},
      {.data = "clicks-deepfm",
       .title = "Clicks, DeepFM",
       .file = "examples/jobs/workers_deepfm.yaml",
       .metric = std::string(kLogLoss),
       .example_cost = absl::Nanoseconds(3000)},
      {.data = "ratings",
       .title = "Ratings, matrix factorisation",
       .file = "examples/jobs/workers_ratings.yaml",
       .metric = std::string(kRmse),
       .example_cost = absl::Nanoseconds(1500)},
      {.data = "a9a",
       .title = "a9a, logistic regression",
       .file = "examples/jobs/workers_a9a.yaml",
       .metric = std::string(kAccuracy),
       .example_cost = absl::Nanoseconds(500),
       .held_out = true},
      {.data = "flights",
       .title = "Flights of 2013, a perceptron",
       .file = "examples/jobs/workers_flights.yaml",
       .metric = std::string(kAccuracy),
       .example_cost = absl::Nanoseconds(700),
       .held_out = true},
      {.data = "higgs",
       .title = "higgs-sample, a perceptron",
       .file = "examples/jobs/workers_higgs.yaml",
       // One of its 500 test rows is 0.2 points of accuracy.
       .metric = std::string(kLogLoss),
       .example_cost = absl::Nanoseconds(500),
       .held_out = true},
      {.data = "agaricus",
       .title = "agaricus, logistic regression",
       .file = "examples/jobs/workers_agaricus.yaml",
       .metric = std::string(kLogLoss),
       .example_cost = absl::Nanoseconds(500),
       .held_out = true},
      {.data = "rcv1",
       .title = "rcv1-small, logistic regression",
       .file = "examples/jobs/workers_rcv1.yaml",
       .metric = std::string(kLogLoss),
       .example_cost = absl::Nanoseconds(500),
       .held_out = true}};
  return *kJobs;
}

const WorkersJob* FindWorkersJob(absl::string_view data) {
  const auto jobs = WorkersJobs();
  const auto it = std::ranges::find(jobs, data, &WorkersJob::data);
  return it == jobs.end() ? nullptr : &*it;
}

std::span<const std::string> WorkersVariants() {
  static const auto* const kVariants = new std::vector<std::string>{
      kDefaultVariant, "uncapped", "sgd", "dynsgd", "ssp"};
  return *kVariants;
}

std::string WorkersCase::Name() const {
  return absl::StrCat("workers-", data, variant == kDefaultVariant ? "" : "-",
                      variant == kDefaultVariant ? "" : variant, "-", workers,
                      disturbance == kQuiet ? "" : "-",
                      disturbance == kQuiet ? "" : disturbance, "-seed-", seed);
}

std::vector<WorkersCase> WorkersCases(const WorkersOptions& options) {
  return CaseList(options).Make();
}

chaos::Trace RisingMarket(int seed) {
  constexpr absl::Duration kDuration = absl::Seconds(1000);
  constexpr int kSteps = kMarketHigh - kMarketLow;
  constexpr int kLossEvery = 6;  // Nodes that come for one that is replaced.
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  chaos::Trace trace;
  std::deque<std::string> there;
  int nodes = 0;
  const auto add = [&](double share) {
    there.push_back(absl::StrCat("node", ++nodes));
    trace.events.push_back({share * kDuration, true, there.back()});
  };
  const auto take = [&](double share) {
    std::swap(there[random() % there.size()], there.back());
    trace.events.push_back({share * kDuration, false, there.back()});
    there.pop_back();
  };
  for (int i = 0; i < kMarketLow; ++i) add(0);
  for (int i = 0; i < kSteps; ++i) {
    const double share = 0.1 + 0.4 * i / kSteps;
    add(share);
    if (i % kLossEvery != kLossEvery - 1) continue;
    take(share);
    add(share);
  }
  for (int i = 0; i < kSteps; ++i) take(0.6 + 0.4 * (i + 1) / kSteps);
  trace.duration = kDuration;
  trace.peak_nodes = kMarketHigh;
  return trace;
}

int NodesAtStart(const chaos::Trace& trace) {
  return static_cast<int>(
      std::ranges::count_if(trace.events, [](const chaos::TraceEvent& event) {
        return event.add && event.at == absl::ZeroDuration();
      }));
}

std::vector<chaos::ChaosEvent> EventsByProgress(const chaos::Trace& trace) {
  // The last event is before the end of the job.
  constexpr double kOver = 0.9;
  auto events = chaos::EventsOf(trace, /*speed=*/1, absl::ZeroDuration());
  std::erase_if(events, [](const chaos::ChaosEvent& event) {
    return event.op == chaos::Op::kAdd && event.when.at == absl::ZeroDuration();
  });
  for (chaos::ChaosEvent& event : events) {
    event.when.progress =
        kOver * absl::FDivDuration(event.when.at, trace.duration);
  }
  return events;
}

std::vector<chaos::ChaosEvent> KillEvents(int workers, int64_t at_once) {
  const int64_t computing = std::clamp<int64_t>(at_once, 1, workers);
  return ChurnEvents(static_cast<int>((workers + computing - 1) / computing));
}

absl::Duration BatchTimeOf(const BatchPace& pace) {
  const absl::Duration alone = std::max(
      pace.runs_for / std::max(pace.batches, 1.0), pace.cost / pace.cores);
  return static_cast<double>(pace.at_once) * alone;
}

}  // namespace ebb::tools

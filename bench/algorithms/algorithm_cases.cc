#include "bench/algorithms/algorithm_cases.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::tools {

namespace {

using Settings = std::vector<std::string>;

// Batches of a push, for algorithms that push now and then.
constexpr int kPeriod = 4;

// Items of at least ten pushes, or two of a long period: a copy of elastic
// averaging lives for one.
int ItemBatches(int period) { return std::max(10 * kPeriod, 2 * period); }

// Makes the cases of one kind of run.
class CaseMaker {
 public:
  CaseMaker(const CaseOptions& options, int workers, bool churn)
      : options_(options), workers_(workers), churn_(churn) {}

  std::vector<AlgorithmCase> Dense() const {
    std::vector<AlgorithmCase> cases;
    const auto add = [&](const std::string& algorithm, Settings settings) {
      cases.push_back(Case(kDenseData, algorithm, std::move(settings)));
    };
    add("asp", Plain());
    add("ssp", Plain({"consistency.kind=ssp", "consistency.bound=4"}));
    add("bsp", Plain({"consistency.kind=bsp"}));
    add("rounds", Rounds());
    cases.back().backup_tasks = false;
    add("rounds+backup", Rounds());
    add("staleness_aware", {"algorithm.kind=staleness_aware"});
    add("dynsgd", {"algorithm.kind=dynsgd"});
    add("downpour", Accumulated("downpour", kPeriod));
    add("adag", Accumulated("adag", kPeriod));
    add("local_sgd", LocalSgd());
    add("aeasgd", Elastic("aeasgd", kPeriod));
    add("eamsgd", Elastic("eamsgd", kPeriod));
    return cases;
  }

  std::vector<AlgorithmCase> Sparse() const {
    return {Case(kSparseData, "asp", Plain()),
            Case(kSparseData, "ssp",
                 Plain({"consistency.kind=ssp", "consistency.bound=4"})),
            Case(kSparseData, "bsp", Plain({"consistency.kind=bsp"})),
            Case(kSparseData, "staleness_aware",
                 {"algorithm.kind=staleness_aware"}),
            Case(kSparseData, "dynsgd", {"algorithm.kind=dynsgd"}),
            Case(kSparseData, "downpour", SparseRuns("downpour")),
            Case(kSparseData, "adag", SparseRuns("adag")),
            Case(kSparseData, "geo", Geo())};
  }

  // Beside those with kPeriod.
  std::vector<AlgorithmCase> LongPeriods() const {
    std::vector<AlgorithmCase> cases;
    for (const int period : {4 * kPeriod, 16 * kPeriod}) {
      for (const char* algorithm : {"downpour", "adag"}) {
        cases.push_back(
            Case(kDenseData, algorithm, Accumulated(algorithm, period)));
        cases.back().period = period;
      }
      cases.push_back(Case(kDenseData, "aeasgd", Elastic("aeasgd", period)));
      cases.back().period = period;
    }
    return cases;
  }

 private:
  AlgorithmCase Case(const std::string& data, const std::string& algorithm,
                     Settings settings) const {
    Settings all = {absl::StrCat("train.batch=", options_.batch),
                    absl::StrCat("workers.max=", workers_)};
    if (data == kDenseData) {
      all.push_back(absl::StrCat("train.epochs=", options_.epochs));
      all.push_back(absl::StrCat("optimizer.rate=", options_.rate));
    } else {
      all.push_back(absl::StrCat("train.epochs=", options_.passes));
    }
    all.push_back(absl::StrCat("train.item_examples=", 10 * options_.batch));
    // The kills are deliberate: they do not make an item poison.
    if (churn_) all.push_back("quarantine_after=100");
    all.insert(all.end(), std::make_move_iterator(settings.begin()),
               std::make_move_iterator(settings.end()));
    return {.data = data,
            .algorithm = algorithm,
            .workers = workers_,
            .churn = churn_,
            .settings = std::move(all)};
  }

  // Steps that do not mind how late they come.
  static Settings Plain(Settings settings = {}) {
    settings.push_back("algorithm.kind=sgd");
    return settings;
  }

  // Two batches of each worker; the rate grows with the root of what a step is
  // made of.
  Settings Rounds() const {
    const int batches = 2 * workers_;
    return {
        "consistency.kind=rounds",
        absl::StrCat("consistency.examples=", batches * options_.batch),
        "consistency.rounds_in_memory=64",
        "checkpoint.every=1s",
        absl::StrCat("train.item_examples=", 2 * options_.batch),
        absl::StrCat("optimizer.rate=", options_.rate * std::sqrt(batches))};
  }

  Settings LocalSgd() const {
    return {
        "algorithm.kind=local_sgd", "consistency.kind=rounds",
        absl::StrCat("consistency.examples=", 10 * workers_ * options_.batch),
        "consistency.rounds_in_memory=16", "checkpoint.every=1s"};
  }

  Settings Accumulated(const std::string& kind, int period) const {
    Settings settings = {absl::StrCat("algorithm.kind=", kind),
                         absl::StrCat("algorithm.push_every=", period),
                         absl::StrCat("algorithm.local_rate=", options_.rate),
                         absl::StrCat("train.item_examples=",
                                      ItemBatches(period) * options_.batch)};
    if (kind == "downpour") {
      settings.push_back("optimizer.kind=adagrad");
      settings.push_back("optimizer.rate=0.01");
    }
    return settings;
  }

  // Settings of the sparse job, whose servers have Adagrad.
  Settings SparseRuns(const std::string& kind) const {
    return {absl::StrCat("algorithm.kind=", kind),
            absl::StrCat("algorithm.push_every=", kPeriod),
            absl::StrCat("train.item_examples=",
                         ItemBatches(kPeriod) * options_.batch)};
  }

  // Its workers step by plain SGD, and push their part of all workers.
  Settings Geo() const {
    Settings settings = SparseRuns("geo");
    settings.push_back("optimizer.kind=sgd");
    settings.push_back("optimizer.rate=0.5");
    return settings;
  }

  Settings Elastic(const std::string& kind, int period) const {
    Settings settings = {absl::StrCat("algorithm.kind=", kind),
                         absl::StrCat("algorithm.push_every=", period),
                         absl::StrCat("train.item_examples=",
                                      ItemBatches(period) * options_.batch)};
    if (kind == "eamsgd") {  // Momentum makes ten steps of one.
      settings.push_back("algorithm.momentum=0.9");
      settings.push_back(absl::StrCat("optimizer.rate=", options_.rate / 10));
    }
    return settings;
  }

  const CaseOptions& options_;
  const int workers_;
  const bool churn_;
};

void Append(std::vector<AlgorithmCase> cases, std::vector<AlgorithmCase>* all) {
  all->insert(all->end(), std::make_move_iterator(cases.begin()),
              std::make_move_iterator(cases.end()));
}

}  // namespace

std::string AlgorithmCase::Name() const {
  return absl::StrCat(data, "-", algorithm, "-", workers,
                      period > 0 ? absl::StrCat("-every-", period) : "",
                      churn ? "-churn" : "");
}

int ComparedWorkers(const CaseOptions& options) {
  return std::ranges::count(options.workers, 8) > 0
             ? 8
             : std::ranges::max(options.workers);
}

std::vector<AlgorithmCase> AlgorithmCases(const CaseOptions& options) {
  std::vector<AlgorithmCase> all;
  const int compared = ComparedWorkers(options);
  const CaseMaker quiet(options, compared, false);
  const CaseMaker churn(options, compared, true);
  Append(quiet.Dense(), &all);
  Append(quiet.Sparse(), &all);
  Append(churn.Dense(), &all);
  Append(churn.Sparse(), &all);
  Append(quiet.LongPeriods(), &all);
  std::vector<int> others = options.workers;
  std::erase(others, compared);
  std::ranges::sort(others, std::greater<>());  // Few workers take longest.
  for (const int workers : others) {
    const CaseMaker maker(options, workers, false);
    Append(maker.Dense(), &all);
    Append(maker.Sparse(), &all);
  }
  return all;
}

int SlownessOf(int worker) { return worker % 8 == 7 ? 3 : 1; }

std::vector<chaos::ChaosEvent> ChurnEvents(int at_once) {
  std::vector<chaos::ChaosEvent> events;
  const auto add = [&](double progress, chaos::Op op) {
    for (int i = 0; i < at_once; ++i) {
      events.push_back({.when = {.progress = progress},
                        .op = op,
                        .target = "worker",
                        .grace = absl::Seconds(20)});
    }
  };
  for (const double progress : {0.15, 0.3, 0.45, 0.6, 0.75}) {
    add(progress, chaos::Op::kKill);
  }
  for (const double progress : {0.2, 0.4, 0.7}) {
    add(progress, chaos::Op::kTerminate);
  }
  return events;
}

}  // namespace ebb::tools

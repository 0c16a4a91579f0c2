// sim_planted: the simulator over cores with a bug planted in them, to prove
// that it finds what it is there to find.
#include <algorithm>
#include <array>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/plant.h"
#include "common/steady_time.h"
#include "sim/command.h"
#include "sim/feeder_plants.h"
#include "sim/simulator.h"

namespace ebb::sim {

namespace {

// The bugs that only jobs of runs can have: `--all --runs` plants these, and
// `--all` the others.
constexpr std::array<absl::string_view, 5> kOfRuns = {
    "moment_of_a_dead_worker_counts", "own_run_counts_twice",
    "run_counts_without_its_tail", "short_run_weighs_as_a_whole",
    "skip_leaves_out_the_run"};

// The same of jobs on data that grows, with --growing.
constexpr std::array<absl::string_view, 6> kOfGrowing = {
    "end_before_all_is_stored", "end_below_a_mark",
    "end_without_new_terms",    "idle_worker_stays_in_view",
    "tail_completes_the_job",   "watch_duty_is_lost"};

// Only the bug may be to blame: without it the same seed must be clean.
bool CleanWithout(absl::string_view bug, Subject subject, uint64_t seed) {
  PlantBug("").IgnoreError();  // Cannot fail.
  const bool clean = RunSeed({.subject = subject}, seed).ok;
  PlantBug(bug).IgnoreError();  // It was known before.
  return clean;
}

// The first seed whose run fails because of the planted bug; false: none.
bool Find(absl::string_view bug, const CommandOptions& options,
          Result* failure) {
  uint64_t first = options.first;
  while (first <= options.last) {
    const Summary summary = RunSeeds(first, options.last, options.threads,
                                     /*stop_at_failure=*/true, options.subject);
    if (summary.failed == 0) return false;
    *failure = summary.first_failure;
    if (CleanWithout(bug, options.subject, failure->seed)) return true;
    std::cout << "seed " << failure->seed << " fails without a bug too\n";
    first = failure->seed + 1;
  }
  return false;
}

// "at 1.2s: I3: ..." as one line without the time.
std::string Short(const std::string& violation) {
  const size_t colon = violation.find(": ");
  return violation.substr(colon == std::string::npos ? 0 : colon + 2);
}

// Returns whether each of the bugs is found.
bool FindAll(const std::vector<std::string>& bugs,
             const CommandOptions& options) {
  bool all = true;
  for (const std::string& bug : bugs) {
    if (!PlantBug(bug).ok()) return false;
    const absl::Time begin = SteadyNow();
    Result failure;
    const bool found = Find(bug, options, &failure);
    all = all && found;
    std::cout << absl::StreamFormat(
        "%-38s %s %5.1f s  %s\n", bug,
        found ? absl::StrFormat("seed %5d", failure.seed) : "NOT FOUND ",
        absl::ToDoubleSeconds(SteadyNow() - begin), Short(failure.violation));
    std::cout.flush();
  }
  return all;
}

}  // namespace

Subject SubjectOf(absl::string_view bug) {
  if (std::ranges::count(kOfRuns, bug) > 0) return Subject::kRuns;
  if (std::ranges::count(kOfGrowing, bug) > 0) return Subject::kGrowing;
  return Subject::kAny;
}

int PlantedMain(const std::vector<std::string>& bugs, bool replay,
                CommandOptions options) {
  LogOnlyErrors();
  for (const std::string& bug : bugs) {
    if (const absl::Status status = PlantBug(bug); !status.ok()) {
      std::cerr << status.message() << "\n";
      return 2;
    }
  }
  if (bugs.empty() || (replay && bugs.size() == 1)) {
    return Main(options, std::cout);
  }
  if (options.threads == 0) {
    options.threads =
        std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  return FindAll(bugs, options) ? 0 : 1;
}

}  // namespace ebb::sim

int main(int argc, char** argv) {
  ebb::sim::CommandOptions options;
  std::string seeds;
  std::vector<std::string> bugs, except;
  bool list = false, all = false;
  uint64_t seed = 0;
  CLI::App app(
      "Runs ebb's cores in a simulated cluster with a bug planted in them. "
      "Exits 0 if some seed finds each of the bugs");
  app.add_flag("--list", list, "List the bugs");
  app.add_option("--bug", bugs,
                 "Plant this bug; without it: run as ebb sim does");
  app.add_flag("--all", all, "Plant each bug in turn");
  app.add_option("--except", except, "With --all: leave these out")
      ->delimiter(',');
  app.add_option("--seeds", seeds, "A..B: try seeds until one finds the bug");
  auto* one =
      app.add_option("--seed", seed, "Run this seed, and say how it ended");
  bool runs = false, growing = false;
  app.add_flag("--runs", runs,
               "The jobs of these seeds push runs of local steps");
  app.add_flag("--growing", growing,
               "The jobs of these seeds train on data that grows");
  app.add_option("--threads", options.threads, "Threads; 0: one per core");
  app.add_flag("--trace", options.trace, "Print every event of --seed");
  CLI11_PARSE(app, argc, argv);
  if (runs) options.subject = ebb::sim::Subject::kRuns;
  if (growing) options.subject = ebb::sim::Subject::kGrowing;
  if (list) {
    for (const ebb::Plant& plant : ebb::Plants()) {
      std::cout << plant.name << ": " << plant.what << "\n";
    }
    return 0;
  }
  if (!seeds.empty()) {
    const std::vector<std::string> ends = absl::StrSplit(seeds, "..");
    if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &options.first) ||
        !absl::SimpleAtoi(ends[1], &options.last)) {
      std::cerr << "--seeds: '" << seeds << "' is not A..B\n";
      return 2;
    }
  }
  if (one->count() > 0) options.first = options.last = seed;
  for (const std::string& bug : except) {
    if (const absl::Status known = ebb::PlantBug(bug); !known.ok()) {
      std::cerr << known.message() << "\n";
      return 2;
    }
  }
  for (const ebb::Plant& plant : ebb::Plants()) {
    // feed_planted has those of feeders.
    if (all && std::ranges::count(except, plant.name) == 0 &&
        std::ranges::count(ebb::sim::kFeederPlants, plant.name) == 0 &&
        ebb::sim::SubjectOf(plant.name) == options.subject) {
      bugs.emplace_back(plant.name);
    }
  }
  return ebb::sim::PlantedMain(bugs, one->count() > 0, options);
}

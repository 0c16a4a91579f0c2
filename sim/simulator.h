// Runs seeds: each is a whole cluster with its faults, reproduced exactly by
// its number.
//
//   const sim::Result result = sim::RunSeed({}, 42);
//   if (!result.ok) std::cerr << result.violation;
//
#ifndef EBB_SIM_SIMULATOR_H_
#define EBB_SIM_SIMULATOR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sim/counts.h"
#include "sim/meter.h"
#include "sim/scenario.h"
#include "sim/subject.h"

namespace ebb::sim {

struct Progress {
  int64_t events = 0;
  absl::Duration virtual_time;
  int64_t items = 0;  // Items of the job, once it is submitted.
  int64_t full_items = 0;
};

struct Options {
  // Gets a line for each event; null: none.
  std::function<void(absl::string_view line)> trace;
  // Called four times in a second of virtual time; null: not at all.
  std::function<void(const Progress& progress)> progress;
  Subject subject = Subject::kAny;
};

struct Result {
  uint64_t seed = 0;
  bool ok = true;
  std::string violation;  // The invariant, where and when.
  std::string scenario;   // In words.
  Counts counts;
  Work work;   // Work in the time that the scenario says is measured.
  Work total;  // Until the job was complete.
  int64_t events = 0;
  absl::Duration virtual_time;
};

Result RunSeed(const Options& options, uint64_t seed);
Result RunScenario(const Options& options, const Scenario& scenario,
                   uint64_t seed);

struct Summary {
  uint64_t seeds = 0;
  uint64_t failed = 0;
  Result first_failure;  // Result of the lowest failing seed, if any failed.
  Counts counts;
  int64_t events = 0;
};

// Runs seeds first .. last, on this many threads. Stops early when a seed
// failed and `stop_at_failure`; the summary then covers the seeds that ran.
Summary RunSeeds(uint64_t first, uint64_t last, int threads,
                 bool stop_at_failure, Subject subject);

// The names of the faults whose count is 0, and of such probes: of a subject
// those that only its jobs can have.
std::vector<std::string> NeverCounted(const Counts& counts, Subject subject);
// Tables of how often each fault happened and each probe was reached.
std::string CountsTable(const Counts& counts, Subject subject);

}  // namespace ebb::sim

#endif  // EBB_SIM_SIMULATOR_H_

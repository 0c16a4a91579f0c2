// The runs of `ebb bench algorithms` about the number of workers: the same job
// files, which name only a model and data, with 1 to 200 workers, undisturbed
// and disturbed.
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_CASES_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_CASES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/chaos/events.h"
#include "tools/chaos/trace.h"

namespace ebb::tools {

// A job of the section.
struct WorkersJob {
  std::string data;    // Names it in flags and figures: "fashion-softmax".
  std::string title;   // "Fashion-MNIST, softmax regression".
  std::string file;    // The job file.
  std::string metric;  // A figure of common/scores/figures.h.
  // CPU time of all daemons for an example, beside that for a batch.
  absl::Duration example_cost;
  bool held_out = false;  // No default was chosen by it.
};
std::span<const WorkersJob> WorkersJobs();
// Null: there is none of that name.
const WorkersJob* FindWorkersJob(absl::string_view data);

// Names of what is compared: the job as it is, the job with as many workers as
// there are, and plain steps, DynSGD and SSP with as many.
inline constexpr char kDefaultVariant[] = "default";
std::span<const std::string> WorkersVariants();
// The runs that measure speed.
inline constexpr char kSpeedVariant[] = "speed";
inline constexpr int kSpeedWorkers = 64;
// The part of such a run that counts: all workers are there.
inline constexpr double kSpeedFrom = 0.4, kSpeedTo = 0.9;

// Names of what disturbs a run; others are names of recorded traces.
inline constexpr char kQuiet[] = "quiet";
inline constexpr char kKills[] = "kills";
inline constexpr char kMarket[] = "market";
inline constexpr char kTraces[] = "traces";

// A recorded spot market.
struct RecordedTrace {
  std::string name;
  chaos::Trace trace;
};

struct WorkersOptions {
  std::vector<int> counts = {1, 4, 16, 64, 200};
  std::vector<int> seeds = {1, 2, 3};
  std::vector<std::string> data;  // Empty: all that are not held out.
  std::vector<std::string> variants = {WorkersVariants().begin(),
                                       WorkersVariants().end()};
  // kTraces stands for all recorded ones.
  std::vector<std::string> disturbances = {kQuiet, kKills, kMarket, kTraces};
  bool held_out = false;  // Adds the held-out ones.
  std::vector<RecordedTrace> traces;
};

// One run.
struct WorkersCase {
  std::string data;
  std::string variant = kDefaultVariant;
  std::string disturbance = kQuiet;
  int workers = 1;  // At the start.
  int seed = 1;
  // Settings of the job, "path.to.key=value".
  std::vector<std::string> settings;

  // Unique among all cases: "workers-clicks-fm-16-kills-seed-2",
  // "workers-fashion-softmax-dynsgd-64-seed-1".
  std::string Name() const;
};

// Everything, in the order in which it is measured.
std::vector<WorkersCase> WorkersCases(const WorkersOptions& options);

// Workers at the start of the market and at its end, and between them.
inline constexpr int kMarketLow = 4;
inline constexpr int kMarketHigh = 64;
// The number of nodes rises and falls again. Some are lost and replaced on the
// way. A function of the seed alone.
chaos::Trace RisingMarket(int seed);
// The nodes of a trace that are there from its start.
int NodesAtStart(const chaos::Trace& trace);
// The events after the start, by the progress of the job instead of by time.
// Nodes that are removed are killed.
std::vector<chaos::ChaosEvent> EventsByProgress(const chaos::Trace& trace);
// Returns so many kills that the workers that compute are hit, though `workers`
// may be more than the `at_once` that the job takes.
std::vector<chaos::ChaosEvent> KillEvents(int workers, int64_t at_once);

// The emulated time of a batch follows from this.
struct BatchPace {
  int64_t at_once = 1;      // Workers that compute at a time.
  double batches = 1;       // Batches of the whole job.
  absl::Duration cost;      // CPU time of a batch, in all daemons.
  absl::Duration runs_for;  // The least time that a run should take.
  double cores = 1;         // Processors for it.
};
// A run takes equally long with any number of workers, and the processors keep
// up with them.
absl::Duration BatchTimeOf(const BatchPace& pace);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_CASES_H_

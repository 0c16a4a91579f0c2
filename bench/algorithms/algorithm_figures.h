// The stored result of a run of `ebb bench algorithms`.
#ifndef EBB_BENCH_ALGORITHMS_ALGORITHM_FIGURES_H_
#define EBB_BENCH_ALGORITHMS_ALGORITHM_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

// The loss of the training at a moment: the mean over its latest examples.
struct LossPoint {
  double seconds = 0;  // Since the first example was computed.
  int64_t examples = 0;
  double loss = 0;
};

struct AlgorithmFigures {
  // Which case it is: algorithm_cases.h.
  std::string data, algorithm;
  int workers = 0;
  int period = 0;
  bool churn = false;
  // Only in the section about workers: what disturbs the run ("quiet", "kills",
  // "market", the name of a trace), and the job's seed.
  std::string disturbance;
  int seed = 0;
  int64_t at_once = 0;   // Workers that the job takes at a time.
  std::string settings;  // All that decides about the run, in one line.
  // The place and the time.
  std::string machine, build, commit, measured;

  double seconds = 0;       // Until all examples were counted.
  double took_seconds = 0;  // The whole run, with its start.
  int64_t examples = 0;     // Counted.
  int64_t bytes = 0;        // Bytes of values, pulled and pushed.
  // Until nine tenths of the examples were counted: the time of all workers
  // together, and the part of it in which they did not compute.
  double worker_seconds = 0;
  double waited_seconds = 0;
  std::optional<double> accuracy;   // On the test data, at the end.
  std::optional<double> test_loss;  // On the test data, too.
  std::optional<double> score;      // The metric of the job, too.
  std::optional<double> staleness;  // In updates: mean ...
  int64_t staleness_p99 = 0;        // ... and what 99 % do not exceed.
  int64_t recomputed = 0, missing = 0, doubled = 0;
  int64_t restarts = 0;
  double cpu_seconds = 0;   // CPU time of all daemons.
  double server_cores = 0;  // CPU time of the servers in a second of training.
  std::string failure;      // The error that stopped it; empty: none.
  std::vector<LossPoint> curve;

  // nullopt: it was not reached.
  std::optional<LossPoint> Reached(double loss) const;
  // The loss at this share of the examples; nullopt: there is no curve.
  std::optional<double> LossAt(double share) const;
  // Examples per second between two shares of the examples; nullopt: the curve
  // has too few points.
  std::optional<double> Rate(double from, double to) const;
  double WaitedShare() const {
    return worker_seconds > 0 ? waited_seconds / worker_seconds : 0;
  }
};

// The machine, build, commits and times of the runs, in a line; empty: there
// are no runs.
std::string WhereTheyRan(const std::vector<AlgorithmFigures>& all);

std::string FiguresJson(const AlgorithmFigures& figures);
// DataLoss: it is none.
absl::StatusOr<AlgorithmFigures> ReadAlgorithmFigures(absl::string_view json);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_ALGORITHM_FIGURES_H_

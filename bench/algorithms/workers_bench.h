// The section "Workers" of `ebb bench algorithms`, measured.
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_BENCH_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_BENCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/algorithms/algorithm_figures.h"
#include "bench/algorithms/kept_runs.h"
#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_page.h"

namespace ebb::tools {

struct WorkersBenchOptions {
  WorkersOptions cases;
  std::string folder;  // Holds generated data, too.
  // Settings of every job, "path.to.key=value".
  std::vector<std::string> settings;
  absl::Duration runs_for = absl::Seconds(15);  // Least time of a run.
  double cores = 1.5;                           // Processors for a run.
  absl::Duration speed_batch_time = absl::Milliseconds(120);
};

// Not thread-safe. The options are not owned and outlive it.
class WorkersBench {
 public:
  WorkersBench(const WorkersBenchOptions& options, const KeptRuns& kept)
      : options_(options), kept_(kept) {}

  // Blocks until all runs are there; `tell` hears of each before it begins.
  // Cancelled: it was interrupted.
  absl::Status Run(const std::function<void(const std::string&)>& tell);

  const std::vector<AlgorithmFigures>& figures() const { return figures_; }
  // Data and traces that this machine lacks, a line each.
  const std::vector<std::string>& skipped() const { return skipped_; }
  // For the page.
  WorkersSectionOptions SectionOptions() const;

 private:
  // The settings that name the data of a job; nullopt: it is not here.
  absl::StatusOr<std::optional<std::vector<std::string>>> FindData(
      const std::string& data);
  absl::StatusOr<std::string> Generated(const std::string& name,
                                        std::vector<std::string> arguments);
  // Adds the recorded traces that are here.
  absl::Status ReadTraces(WorkersOptions* cases);
  struct Prepared {
    KeptRun kept;
    int64_t at_once = 1;  // Workers that compute at a time, at most.
  };
  absl::StatusOr<Prepared> Prepare(const WorkersCase& which,
                                   const WorkersOptions& cases);
  absl::Status Take(const WorkersCase& which, const WorkersOptions& cases);

  const WorkersBenchOptions& options_;
  const KeptRuns& kept_;
  std::map<std::string, std::vector<std::string>>
      data_;  // By name, once found.
  std::vector<AlgorithmFigures> figures_;
  std::vector<std::string> skipped_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_BENCH_H_

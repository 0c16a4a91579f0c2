// The runs of `ebb bench algorithms`, whose figures stay in a folder.
#ifndef EBB_BENCH_ALGORITHMS_KEPT_RUNS_H_
#define EBB_BENCH_ALGORITHMS_KEPT_RUNS_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/algorithms/algorithm_figures.h"
#include "bench/algorithms/algorithm_point.h"
#include "tools/ebb/report/run_report.h"
#include "tools/ebb/run/local_run.h"

namespace ebb::tools {

// A run, and what names it.
struct KeptRun {
  std::string name;      // Unique in the folder.
  std::string settings;  // All that decides about the run, in one line.
  RunOptions run;        // Without a folder.
  PointOptions point;
};

// Not thread-safe.
class KeptRuns {
 public:
  // `prefix` begins the name of every file.
  KeptRuns(std::string folder, std::string prefix)
      : folder_(std::move(folder)), prefix_(std::move(prefix)) {}

  std::string File(absl::string_view name, absl::string_view ending) const;

  // The figures that are there under this name with these settings. Else it
  // runs the job and keeps them, which blocks; `add` adds what the case is.
  // Cancelled: the run was interrupted. DataLoss: the file cannot be read.
  // Internal: the run failed, and its folder is left.
  absl::StatusOr<AlgorithmFigures> Take(
      const KeptRun& kept,
      const std::function<void(const RunReport&, AlgorithmFigures*)>& add)
      const;

 private:
  const std::string folder_;
  const std::string prefix_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_KEPT_RUNS_H_

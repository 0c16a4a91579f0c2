// One run of `ebb bench algorithms`, watched.
#ifndef EBB_BENCH_ALGORITHM_POINT_H_
#define EBB_BENCH_ALGORITHM_POINT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/algorithm_cases.h"
#include "bench/algorithm_figures.h"
#include "tools/ebb/run/chaos_run.h"
#include "tools/ebb/run/disturbance.h"

namespace ebb::tools {

// Workers that emulate the time of computing; one of eight is slower. If the
// case says so, there is churn, too. Not thread-safe.
class AlgorithmPoint final : public Disturbance {
 public:
  AlgorithmPoint(const AlgorithmCase& which, int batch,
                 absl::Duration batch_time);

  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;
  void Finish(RunReport* report) override;

  // Adds the observations, and figures from the report of the run.
  void AddTo(const RunReport& report, AlgorithmFigures* figures) const;

 private:
  absl::Duration BatchTime(const std::string& worker) const;
  // The time that the reported computing of workers takes.
  absl::Duration ComputeTime(const v1::JobStatus& job) const;

  const AlgorithmCase which_;
  const int batch_;
  const absl::Duration batch_time_;
  std::optional<ChaosRun> chaos_;  // Absent: no daemon is disturbed.
  int64_t status_ms_ = 0;  // Time of the last status that was looked at.
  int64_t workers_ = 0;    // Workers there at that time.
  std::optional<int64_t> begun_ms_;
  double seconds_ = 0;  // Until all was counted.
  // For all workers together: how long they were there, and what they computed
  // by the beginning and by the end of that time.
  absl::Duration there_;
  absl::Duration computed_before_;
  absl::Duration computed_;
  std::vector<LossPoint> curve_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHM_POINT_H_

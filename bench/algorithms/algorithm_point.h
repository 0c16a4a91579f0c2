// One run of `ebb bench algorithms`, watched.
#ifndef EBB_BENCH_ALGORITHMS_ALGORITHM_POINT_H_
#define EBB_BENCH_ALGORITHMS_ALGORITHM_POINT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/algorithms/algorithm_figures.h"
#include "tools/chaos/events.h"
#include "tools/ebb/run/chaos_run.h"
#include "tools/ebb/run/disturbance.h"

namespace ebb::tools {

struct PointOptions {
  int workers = 1;  // At the start.
  int batch = 1;    // Examples of a batch.
  // Least time of a batch, for workers that are not slow.
  absl::Duration batch_time;
  bool backup_tasks = true;
  // Waiting and the CPU time of servers count from this share of the examples:
  // many workers take a while to start.
  double counts_from = 0;
  // Disturbs the daemons; true: the end of the job may cut it off.
  std::vector<chaos::ChaosEvent> events;
  bool cut_off = false;
  uint64_t seed = 0;  // Seed of the choice of daemons.
};

// Workers that emulate the time of computing; one of eight is slower. The
// events, if any, disturb them. Not thread-safe.
class AlgorithmPoint final : public Disturbance {
 public:
  explicit AlgorithmPoint(PointOptions options)
      : options_(std::move(options)) {}

  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;
  void Finish(RunReport* report) override;

  // Adds the observations, and figures from the report of the run.
  void AddTo(const RunReport& report, AlgorithmFigures* figures) const;

 private:
  absl::Duration BatchTime(const std::string& worker) const;
  void CountFrom(const v1::GetStatusResponse& status);
  // The time that the reported computing of workers takes.
  absl::Duration ComputeTime(const v1::JobStatus& job) const;

  const PointOptions options_;
  std::map<std::string, absl::Duration> slow_;  // Batch times by worker.
  std::optional<ChaosRun> chaos_;  // Absent: no daemon is disturbed.
  int64_t status_ms_ = 0;  // Time of the last status that was looked at.
  int64_t workers_ = 0;    // Workers there at that time.
  std::optional<int64_t> begun_ms_;
  double seconds_ = 0;  // Until all was counted.
  // CPU time of the servers when counting began and at its latest, and the
  // seconds between.
  double cpu_before_ = 0, cpu_ = 0;
  double cpu_seconds_ = 0;
  int64_t counts_ms_ = 0;  // When counting began.
  // For all workers together: how long they were there, and what they computed
  // by the beginning and by the end of that time.
  absl::Duration there_;
  absl::Duration computed_before_;
  absl::Duration computed_;
  std::vector<LossPoint> curve_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_ALGORITHM_POINT_H_

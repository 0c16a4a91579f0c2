// `ebb bench moves`: partitions change their servers again and again while a
// job trains.
#ifndef EBB_BENCH_CLUSTER_MOVES_BENCH_H_
#define EBB_BENCH_CLUSTER_MOVES_BENCH_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/command/bench_pace.h"
#include "tools/chaos/goodput.h"
#include "tools/ebb/run/disturbance.h"

namespace ebb::tools {

// The required bound: docs/fault-tolerance.md.
inline constexpr double kMostPauseSeconds = 0.1;

struct MovesBenchOptions {
  int moves = 20;  // At least; at most as many as a scheduler remembers, 64.
  BenchPace pace;
  // Told of the moves so far.
  std::function<void(const std::string&)> say;
};

// One run. The job is put on one server less, and on all again, in turns. Not
// thread-safe.
class MovesBench final : public Disturbance {
 public:
  explicit MovesBench(MovesBenchOptions options)
      : options_(std::move(options)) {}

  // InvalidArgument: fewer than two servers.
  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;
  bool EndsRun() const override { return phase_ == Phase::kDone; }

  // Examples per second; 0: it did not come so far.
  double undisturbed_rate() const { return rate_; }
  double rate_while_moving() const { return moving_rate_; }
  // Seconds, by move.
  const std::vector<double>& paused() const { return paused_; }
  const std::vector<double>& stored() const { return stored_; }

 private:
  enum class Phase { kStart, kUndisturbed, kMoving, kDone };

  // The last scaling is carried out: every partition is where it is to be.
  bool Settled(const v1::JobStatus& job) const;
  void Scale(const v1::JobStatus& job, LocalCluster* cluster,
             RunReport* report);
  void TakePauses(const v1::JobStatus& job);

  const MovesBenchOptions options_;
  int servers_ = 0;
  Phase phase_ = Phase::kStart;
  absl::Time undisturbed_until_;
  absl::Time last_change_;
  absl::Duration moving_since_;
  int64_t counted_then_ = 0;
  int64_t moved_when_scaled_ = -1;
  bool on_fewer_ = false;
  chaos::RateMeter meter_;
  double rate_ = 0;
  double moving_rate_ = 0;
  std::vector<double> paused_;
  std::vector<double> stored_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_CLUSTER_MOVES_BENCH_H_

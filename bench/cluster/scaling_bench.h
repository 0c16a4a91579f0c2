// One point of `ebb bench scaling`: the speed of this many workers and servers.
#ifndef EBB_BENCH_CLUSTER_SCALING_BENCH_H_
#define EBB_BENCH_CLUSTER_SCALING_BENCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tools/chaos/goodput.h"
#include "tools/ebb/run/disturbance.h"

namespace ebb::tools {

// One undisturbed run: it waits until every worker works, then for `warm_up`,
// and is measured for `length`. Not thread-safe.
class ScalingPoint final : public Disturbance {
 public:
  struct Options {
    absl::Duration batch_time;  // Least time of a batch.
    absl::Duration warm_up = absl::Seconds(1);
    absl::Duration length = absl::Seconds(5);
  };
  ScalingPoint(const Options& options, int workers)
      : options_(options), workers_(workers) {}

  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;
  bool EndsRun() const override { return phase_ == Phase::kDone; }

  // Examples per second; 0: it did not come so far.
  double rate() const { return rate_; }
  // Bytes of values, pulled and pushed, per second.
  double bytes_per_second() const { return bytes_per_second_; }
  // The used share of this machine's processors meanwhile, by all processes.
  double busy() const { return busy_; }

 private:
  enum class Phase { kStart, kWarmUp, kMeasuring, kDone };
  // Times of all processors since the system started.
  struct Ticks {
    int64_t all = 0;
    int64_t idle = 0;
  };

  static Ticks ReadTicks();
  bool AllWork(const RunMoment& moment) const;

  const Options options_;
  const int workers_;
  Phase phase_ = Phase::kStart;
  absl::Time until_;
  absl::Duration since_;
  int64_t bytes_then_ = 0;
  Ticks ticks_then_;
  chaos::RateMeter meter_;
  double rate_ = 0;
  double bytes_per_second_ = 0;
  double busy_ = 0;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_CLUSTER_SCALING_BENCH_H_

// `ebb bench recovery`: daemons are lost again and again, one kind of loss
// after the other, each as soon as the one before is made up for.
#ifndef EBB_BENCH_CLUSTER_RECOVERY_BENCH_H_
#define EBB_BENCH_CLUSTER_RECOVERY_BENCH_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/command/bench_pace.h"
#include "tools/chaos/goodput.h"
#include "tools/ebb/run/disturbance.h"
#include "tools/ebb/status/recovery_log.h"

namespace ebb::tools {

enum class Loss {
  kWorkerKilled,
  kWorkerStopped,  // Until its lease has run out.
  kWorkerLeaves,   // SIGTERM.
  kServerKilled,
  kSchedulerKilled,
};
inline constexpr std::array kLosses = {
    Loss::kWorkerKilled, Loss::kWorkerStopped, Loss::kWorkerLeaves,
    Loss::kServerKilled, Loss::kSchedulerKilled};
// "worker killed".
absl::string_view LossName(Loss loss);

// A required bound: docs/fault-tolerance.md.
struct LossBound {
  std::string figure;  // "leased again after its connection broke".
  double seconds = 0;
};
// Absent: nothing is.
std::optional<LossBound> BoundOf(Loss loss);

struct LossFigures {
  Loss loss = Loss::kWorkerKilled;
  // Seconds from the loss until the item was leased again (partitions served,
  // first lease), and until the next example of it was counted.
  std::vector<double> resumed;
  std::vector<double> recovered;
  // The times with a bound; empty if there is none.
  std::vector<double> bounded;
  double examples_per_second = 0;  // Meanwhile.
  double seconds = 0;              // All of them took.
};

struct RecoveryBenchOptions {
  int kills = 20;  // Losses of each kind of daemon.
  BenchPace pace = {.batch_time = absl::Milliseconds(10)};
  uint64_t seed = 1;  // Seed of the pauses.
  // Told of each loss that was made up for.
  std::function<void(const std::string&)> say;
};

// One run. Not thread-safe.
class RecoveryBench final : public Disturbance {
 public:
  explicit RecoveryBench(RecoveryBenchOptions options)
      : options_(std::move(options)), random_(options_.seed) {}

  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;
  bool EndsRun() const override { return phase_ == Phase::kDone; }

  // Examples per second; 0: it did not come so far.
  double undisturbed_rate() const { return rate_; }
  const std::vector<LossFigures>& figures() const { return figures_; }

 private:
  enum class Phase { kStart, kUndisturbed, kPause, kLost, kDone };

  // All daemons are there and work, as the scheduler said after `since`.
  bool Whole(const RunMoment& moment, absl::Time since) const;
  void BeginKind(const RunMoment& moment);
  void EndKind(const RunMoment& moment);
  void Pause(absl::Time now);
  void Strike(const RunMoment& moment, LocalCluster* cluster,
              RunReport* report);
  void Follow(const RunMoment& moment, LocalCluster* cluster,
              RunReport* report);
  void Note(const v1::Recovery& recovery);

  const RecoveryBenchOptions options_;
  std::mt19937_64 random_;
  int servers_ = 0;
  int workers_ = 0;
  Phase phase_ = Phase::kStart;
  absl::Time next_ = absl::InfinitePast();  // Not before.
  RecoveryLog log_;
  chaos::RateMeter meter_;
  double rate_ = 0;

  // The present kind of loss ...
  size_t kind_ = 0;
  int strikes_ = 0;
  absl::Time kind_began_;
  int64_t counted_then_ = 0;
  // ... and its last strike.
  std::string daemon_;
  pid_t pid_ = 0;
  absl::Time struck_;
  std::optional<absl::Duration> exited_;  // After so long.
  bool noted_ = false;

  std::vector<LossFigures> figures_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_CLUSTER_RECOVERY_BENCH_H_

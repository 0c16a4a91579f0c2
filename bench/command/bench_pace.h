// The options of every benchmark of a disturbed run about its speed.
#ifndef EBB_BENCH_COMMAND_BENCH_PACE_H_
#define EBB_BENCH_COMMAND_BENCH_PACE_H_

#include "absl/time/time.h"

namespace ebb::tools {

struct BenchPace {
  // Least time of a batch.
  absl::Duration batch_time = absl::ZeroDuration();
  // How long the cluster is undisturbed at first.
  absl::Duration undisturbed = absl::Seconds(5);
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMAND_BENCH_PACE_H_

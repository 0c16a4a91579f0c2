// `ebb bench checkpoint`: the cost of checkpoints to a server under full-speed
// pushes, the bytes that they write, the speed of reading them back, and the
// server's memory meanwhile.
#ifndef EBB_BENCH_CHECKPOINT_CHECKPOINT_BENCH_H_
#define EBB_BENCH_CHECKPOINT_CHECKPOINT_BENCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"

namespace ebb::bench {

struct CheckpointOptions {
  std::string programs;  // The folder with ebb-ps.
  std::string folder;    // For the server's state and log; on the disk to use.
  int pairs = 7;
  // Pushed at full speed, with and without checkpoints.
  int64_t pushed_bytes = int64_t{256} << 20;
  // Written whole under Adam.
  int64_t written_bytes = int64_t{128} << 20;
  // Rows of 16 floats under Adagrad: 1 % is pushed to and written.
  int64_t table_rows = 10'000'000;
  // Restored, and pushed and pulled within the memory bound.
  int64_t large_bytes = int64_t{1} << 30;
  // Pushes of 1,000 rows of a sample. Samples between two checkpoints are
  // repeated until they fit into the interval.
  int64_t row_pushes = 500;
  // The time between checkpoints of a job that does not set it.
  double interval_seconds = 10;
  Watch watch;
};

// Rows with the limit first: pushes without checkpoints; the state's bytes; a
// sequential read of the same files, cold; weights and slots in memory. Blocks
// for minutes. Internal: a wrong result. Cancelled: it was stopped.
absl::StatusOr<std::vector<Row>> MeasureCheckpoints(
    const CheckpointOptions& options);

}  // namespace ebb::bench

#endif  // EBB_BENCH_CHECKPOINT_CHECKPOINT_BENCH_H_

// A job on a packed set beside the same job on data in memory.
#ifndef EBB_BENCH_DATA_PACKED_JOB_ROWS_H_
#define EBB_BENCH_DATA_PACKED_JOB_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"

namespace ebb::tools {

struct PackedJobOptions {
  std::string programs;  // The folder with ebb and the daemons.
  std::string folder;    // For data, runs and logs.
  std::string fashion;   // bench::ReadImageSet().
  int pairs = 7;
  // Eight times what the worker may hold: --memory less 64 MiB for the program.
  int64_t images = 684'032;
  int64_t memory_bytes = int64_t{128} << 20;
  int epochs = 2;
  bench::Watch watch;
};

// Softmax with one worker and one server. Blocks for some minutes; takes two
// and a half times the data on the disk. Cancelled: it was stopped.
absl::StatusOr<std::vector<bench::Row>> MeasurePackedJob(
    const PackedJobOptions& options);

}  // namespace ebb::tools

#endif  // EBB_BENCH_DATA_PACKED_JOB_ROWS_H_

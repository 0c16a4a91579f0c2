// `ebb bench sparse`: pushes and pulls of rows of a sparse table, one worker
// and one server on this machine, as ratios to the bare work in one thread of
// this process (bench/rows/bare_rows.h) with the same keys and arithmetic.
#ifndef EBB_BENCH_SPARSE_SPARSE_BENCH_H_
#define EBB_BENCH_SPARSE_SPARSE_BENCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"
#include "bench/plane/data_plane.h"
#include "tools/text/json.h"

namespace ebb::bench {

struct SparseOptions {
  std::string programs;  // The folder with ebb-ps.
  std::string folder;    // For the server's state and log.
  DataPlane plane = DataPlane::kGrpc;
  int64_t rows = 1'000'000;
  int64_t width = 16;  // Floats of a row.
  // Distinct rows of a push or pull.
  int64_t message_rows = 1000;
  // Row k of n is drawn with a probability as k^-zipf; 0: all alike.
  double zipf = 0;
  int in_flight = 8;
  // Pairs that count, after one that warms up; in each both sides do the same
  // pushes, then the same pulls, equally many of both.
  int pairs = 9;
  int64_t messages = 400;
  uint64_t seed = 1;
  Watch watch;

  // InvalidArgument for what cannot work.
  absl::Status Validate() const;
};

struct SparseReport {
  std::string machine;
  double load_average = 0;  // At the beginning.
  SparseOptions options;
  int32_t partitions = 0;
  std::vector<Row> rows;
  // Medians, per million rows.
  struct Cpu {
    double bare_seconds = 0;
    double worker_seconds = 0;
    double server_seconds = 0;
  };
  Cpu push, pull;
};

// The requirement on rows per second, over the network or not.
Bound RowsBound(DataPlane plane);

// Forks: call it before the process has other threads. Blocks. Internal when
// the two come to different weights. Cancelled: it was stopped.
absl::StatusOr<SparseReport> MeasureSparse(const SparseOptions& options);

std::string SparseText(const SparseReport& report);
// Added to `json`.
void AddSparse(const SparseReport& report, tools::Json* json);

}  // namespace ebb::bench

#endif  // EBB_BENCH_SPARSE_SPARSE_BENCH_H_

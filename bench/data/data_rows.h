// Reading and packing data, beside the least work that gives the same: rows of
// `ebb bench data`.
#ifndef EBB_BENCH_DATA_DATA_ROWS_H_
#define EBB_BENCH_DATA_DATA_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"

namespace ebb::bench {

struct DataRowsOptions {
  std::string folder;   // For the files, on the disk to measure.
  std::string fashion;  // ReadImageSet().
  int pairs = 7;
  int64_t records = 50'000;       // For each kind of records.
  int64_t blobs = 1'000;          // Each has 64 KiB.
  int64_t packed_rows = 131'072;  // Each has 784 bytes.
  int64_t images = 2'000;
  Watch watch;
};

// One thread. Blocks for two minutes, and takes four times the bytes of the
// rows on the disk. DataLoss: a reader did not give what was written.
// Cancelled: it was stopped.
absl::StatusOr<std::vector<Row>> MeasureData(const DataRowsOptions& options);

}  // namespace ebb::bench

#endif  // EBB_BENCH_DATA_DATA_ROWS_H_

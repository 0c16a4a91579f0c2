// A GPU end to end: a cluster whose worker computes on it; and its gradient
// beside PyTorch's.
#ifndef EBB_BENCH_GPU_GPU_ROWS_H_
#define EBB_BENCH_GPU_GPU_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"

namespace ebb::tools {

struct GpuRowsOptions {
  std::string programs;  // The folder with ebb and the daemons.
  std::string folder;    // For data, runs and logs.
  std::string peers = "bench/peers";
  // The device of the job file.
  std::string device = "gpu";
  std::string precision = "fp32";  // Empty: the job does not say.
  int gpu = 0;
  // Widths of the perceptron, and its batch.
  std::vector<int64_t> layers;
  int64_t rows = 0;
  // Steps of the run that is measured.
  int64_t steps = 200;
  bench::Watch watch;
};

// One server and one worker train the perceptron on examples that are made up,
// with 256 classes at most; for how much of the time the device had something
// to do, 0.85 required. Blocks for a while. FailedPrecondition: the run failed,
// or its worker used no device. Cancelled: it was stopped.
absl::StatusOr<bench::Row> MeasureBusyShare(const GpuRowsOptions& options);

// The share in the log of a worker that has left. NotFound: the log has none.
absl::StatusOr<double> BusyShareIn(absl::string_view log);

// `examples_per_second` of a batch's gradient beside PyTorch's. NotFound: it
// cannot be measured here, and why.
absl::StatusOr<bench::Row> CompareWithTorch(const GpuRowsOptions& options,
                                            double examples_per_second);

}  // namespace ebb::tools

#endif  // EBB_BENCH_GPU_GPU_ROWS_H_

// How much of a GPU's cuBLAS is left when models compute with it.
#ifndef EBB_BENCH_GPU_GPU_BENCH_H_
#define EBB_BENCH_GPU_GPU_BENCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"
#include "models/backend.h"
#include "models/gpu/gemm.h"
#include "models/gpu/gpu_backend.h"
#include "tools/text/json.h"

namespace ebb::bench {

struct GpuBenchOptions {
  models::gpu::GpuOptions gpu;
  // Widths of the perceptron, from the features to the classes, and its batch.
  std::vector<int64_t> layers = {4096, 4096, 4096, 1000};
  int64_t rows = 8192;
  // Pairs of each ratio; their median counts.
  int pairs = 9;
  // Length of one sample, about.
  double sample_seconds = 0.2;
  Watch watch;
};

struct GpuReport {
  std::string gpu;
  // Steps of a small model, which are mostly launches, with graphs and without.
  // The products of a layer as its model has them, against cuBLAS alone. The
  // gradient of a batch, copies included, against its products alone and
  // against products and copies beside each other.
  std::vector<Row> rows;
  // Missing measurements and the reasons, a sentence each.
  std::vector<std::string> notes;
};

// FailedPrecondition: there is no such GPU. Cancelled: the watch ended it.
absl::StatusOr<GpuReport> MeasureGpu(const GpuBenchOptions& options);
// The same of any device: `multiply` is a product without the back end.
absl::StatusOr<std::vector<Row>> MeasureBackend(
    const GpuBenchOptions& options, models::ComputeBackend* backend,
    const std::function<void(const models::gpu::Gemm&)>& multiply);
// The first one, of any two devices.
absl::StatusOr<Row> MeasureGraphs(const GpuBenchOptions& options,
                                  models::ComputeBackend* with,
                                  models::ComputeBackend* without);

std::string GpuText(const GpuReport& report);
void AddGpu(const GpuReport& report, tools::Json* json);

}  // namespace ebb::bench

#endif  // EBB_BENCH_GPU_GPU_BENCH_H_

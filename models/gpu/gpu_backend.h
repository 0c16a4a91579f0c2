// The back end of NVIDIA's devices: ebb's kernels, and cuBLAS. In a build
// without CUDA the functions are there and say so.
#ifndef EBB_MODELS_GPU_GPU_BACKEND_H_
#define EBB_MODELS_GPU_GPU_BACKEND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/backend.h"
#include "models/gpu/gemm.h"

namespace ebb::models::gpu {

// Number format of products of dense matrices; sums, and everything else, are
// float32.
enum class Precision {
  kFp32,
  kTf32,  // Factors rounded to 10 bits after the point.
  kBf16,  // To 7.
};

struct GpuOptions {
  // Which of the devices that CUDA shows this process; CUDA_VISIBLE_DEVICES
  // and device plugins choose which these are. Default 0.
  int device = 0;
  // Default kFp32: as on a CPU, but for the order of sums.
  Precision precision = Precision::kFp32;
  // True if steps that come again are given to the device as graphs. Default:
  // yes; without them, a step of a small model takes some 0.1 ms more.
  bool graphs = true;
};

struct GpuInfo {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  int64_t memory_bytes = 0;
  int major = 0, minor = 0;  // The compute capability.
  int multiprocessors = 0;
};

// kFailedPrecondition, with the reason: this build has no CUDA, this machine no
// driver or no such device, or the device is older than compute capability 8.0.
absl::StatusOr<GpuInfo> FindGpu(int device);

// Takes some hundred MiB of the device's memory, most of it CUDA's own, and
// pinned memory of 16 MiB. Errors: those of FindGpu. Also kFailedPrecondition:
// libcublas is not there. kResourceExhausted: there is not enough free memory.
//
// Results differ from a CPU's by the rounding of sums; those over sparse
// entries (SparseMatMulTransA, FactorGradient, FieldFactorGradient,
// FieldSumsGradient) also, as much, from one call to the next.
absl::StatusOr<std::unique_ptr<ComputeBackend>> MakeGpuBackend(
    const GpuOptions& options);

// A back end, and its products without what it does around them, for
// benchmarks. They are in the order of the back end's operations, and fail as
// they do.
struct BareGpu {
  std::unique_ptr<ComputeBackend> backend;
  std::function<void(const Gemm&)> multiply;  // Not after `backend` is gone.
};
absl::StatusOr<BareGpu> MakeBareGpu(const GpuOptions& options);

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_GPU_BACKEND_H_

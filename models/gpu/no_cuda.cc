// The GPU functions of a build without CUDA.
#include "models/gpu/gpu_backend.h"

namespace ebb::models::gpu {

absl::StatusOr<GpuInfo> FindGpu(int /*device*/) {
  return absl::FailedPreconditionError(
      "this ebb was built without CUDA (EBB_CUDA, docs/gpu.md)");
}

absl::StatusOr<std::unique_ptr<ComputeBackend>> MakeGpuBackend(
    const GpuOptions& options) {
  return FindGpu(options.device).status();
}

absl::StatusOr<BareGpu> MakeBareGpu(const GpuOptions& options) {
  return FindGpu(options.device).status();
}

}  // namespace ebb::models::gpu

// A device of CUDA, one stream of it: what KernelBackend runs on.
#ifndef EBB_MODELS_GPU_CUDA_ENGINE_H_
#define EBB_MODELS_GPU_CUDA_ENGINE_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/gpu/cublas.h"
#include "models/gpu/gemm.h"
#include "models/gpu/gpu_backend.h"
#include "models/gpu/launch.h"
#include "models/gpu/memory_pool.h"

namespace ebb::models::gpu {

// As KernelBackend asks for it. Used by one thread at a time; it need not
// always be the same.
class CudaEngine final : public BlockSource {
 public:
  // The errors of MakeGpuBackend.
  static absl::StatusOr<std::unique_ptr<CudaEngine>> Create(
      const GpuOptions& options);
  ~CudaEngine() override;

  void* NewBlock(int64_t bytes) override;
  void DeleteBlock(void* block) override;

  // kUnavailable, once some call has failed: errors of a device come late, and
  // nothing can be computed after them in this process.
  absl::Status status() const { return status_; }
  void CopyIn(const void* host, int64_t bytes, void* memory);
  void CopyOut(const void* memory, int64_t bytes, void* host);
  void Zero(void* memory, int64_t bytes);
  void Multiply(const Gemm& gemm);
  template <typename Kernel>
  void Launch(int64_t blocks, const Kernel& kernel) {
    Use();
    Check(static_cast<cudaError_t>(LaunchOnDevice(stream_, blocks, kernel)),
          "launching a kernel");
  }

 private:
  // Pinned, so that the device copies by itself.
  struct Slot {
    void* memory = nullptr;
    cudaEvent_t copied = nullptr;  // Nobody reads or writes it after this.
  };

  CudaEngine(const GpuOptions& options, const GpuInfo& info);
  absl::Status Start();
  // The device is a matter of the calling thread.
  void Use() { Check(cudaSetDevice(options_.device), "choosing the device"); }
  void Check(cudaError_t error, const char* doing);
  void CheckCublas(cublasStatus_t error, const char* doing);
  void Fail(absl::string_view doing, absl::string_view error);

  const GpuOptions options_;
  const GpuInfo info_;
  absl::Status status_;
  cudaStream_t stream_ = nullptr;
  Slot slots_[2];
  int next_slot_ = 0;
  Cublas cublas_;
  cublasHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_CUDA_ENGINE_H_

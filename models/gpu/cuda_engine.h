// A device of CUDA, a stream of it for each lane: what KernelBackend runs on.
#ifndef EBB_MODELS_GPU_CUDA_ENGINE_H_
#define EBB_MODELS_GPU_CUDA_ENGINE_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/backend.h"
#include "models/gpu/busy_meter.h"
#include "models/gpu/cublas.h"
#include "models/gpu/fused_products.h"
#include "models/gpu/gemm.h"
#include "models/gpu/gpu_backend.h"
#include "models/gpu/lanes.h"
#include "models/gpu/launch.h"
#include "models/gpu/memory_pool.h"

namespace ebb::models::gpu {

// The engine that KernelBackend needs. Used by one thread at a time, which may
// change.
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
  void Zero(void* memory, int64_t bytes);
  void Multiply(const Gemm& gemm);
  void MultiplyFused(const Gemm& gemm, const float* bias, Activation f);
  bool HasFused(const Gemm& gemm, const float* bias, Activation f,
                absl::FunctionRef<void()> before);
  template <typename Kernel>
  void Launch(int64_t blocks, const Kernel& kernel) {
    Begin(Lane::kCompute);
    Check(static_cast<cudaError_t>(
              LaunchOnDevice(StreamOf(Lane::kCompute), blocks, kernel)),
          "launching a kernel");
  }

  struct GraphDeleter {
    void operator()(cudaGraphExec_t graph) const;
    int device;
  };
  using Graph = std::unique_ptr<CUgraphExec_st, GraphDeleter>;
  Graph Capture(absl::FunctionRef<void()> issue);
  void Replay(const Graph& graph);

  void CopyIn(Lane lane, const void* host, int64_t bytes, void* memory);
  void CopyOut(Lane lane, const void* memory, int64_t bytes, void* host);
  void Mark(Lane lane, int mark);
  void Await(Lane lane, int mark);
  void Sync(int mark);
  bool Reached(int mark);

  int64_t least_copy_bytes() const;
  int64_t slot_bytes() const;
  void* slot(int i) const { return slots_[i]; }
  std::shared_ptr<void> PinHost(void* memory, int64_t bytes);
  bool IsPinned(const void* memory, int64_t bytes) const;
  double TakeBusySeconds() { return std::exchange(busy_seconds_, 0); }

 private:
  CudaEngine(const GpuOptions& options, const GpuInfo& info);
  absl::Status Start();
  // The device is a matter of the calling thread.
  void Use() { Check(cudaSetDevice(options_.device), "choosing the device"); }
  // Before the lane is given something. While it is captured nothing is.
  void Begin(Lane lane);
  void Check(cudaError_t error, const char* doing);
  void CheckCublas(cublasStatus_t error, const char* doing);
  void Fail(absl::string_view doing, absl::string_view error);
  cudaStream_t StreamOf(Lane lane) const {
    return streams_[static_cast<int>(lane)];
  }

  const GpuOptions options_;
  const GpuInfo info_;
  absl::Status status_;
  // The first failure while a graph is captured; it does not lose the device.
  bool capturing_ = false;
  std::string capture_error_;
  cudaStream_t streams_[kLaneCount] = {};
  cudaEvent_t marks_[kMarks] = {};
  void* slots_[2] = {};
  BusyMeter meter_;
  cudaEvent_t busy_since_ = nullptr;
  double busy_seconds_ = 0;
  Cublas cublas_;
  cublasHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::unique_ptr<FusedProducts> fused_;  // Null: there is no cuBLASLt.
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_CUDA_ENGINE_H_

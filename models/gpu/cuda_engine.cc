#include "models/gpu/cuda_engine.h"

#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "models/gpu/kernel_backend.h"
#include "models/gpu/staging.h"

namespace ebb::models::gpu {
namespace {

constexpr int64_t kSlotBytes = int64_t{8} << 20;
// What NVIDIA recommends for Hopper.
constexpr int64_t kWorkspaceBytes = int64_t{32} << 20;
constexpr int kLeastMajor = 8;

absl::Status NoGpu(int device, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("there is no gpu ", device, " here: ", why));
}

cublasComputeType_t ComputeTypeOf(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      break;
    case Precision::kTf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::kBf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
  }
  return CUBLAS_COMPUTE_32F;
}

}  // namespace

absl::StatusOr<GpuInfo> FindGpu(int device) {
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && (device < 0 || device >= count)) {
    return NoGpu(device, absl::StrCat("CUDA shows ", count, " devices"));
  }
  cudaDeviceProp properties;
  if (error == cudaSuccess) {
    error = cudaGetDeviceProperties(&properties, device);
  }
  if (error != cudaSuccess) {
    cudaGetLastError();  // It is told here, and not by the next call.
    return NoGpu(device, cudaGetErrorString(error));
  }
  if (properties.major < kLeastMajor) {
    return NoGpu(
        device,
        absl::StrCat("the ", properties.name, " has compute capability ",
                     properties.major, ".", properties.minor,
                     "; 8.0 is the oldest that ebb ", "has kernels for"));
  }
  GpuInfo info;
  info.name = properties.name;
  info.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  info.major = properties.major;
  info.minor = properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  return info;
}

absl::StatusOr<BareGpu> MakeBareGpu(const GpuOptions& options) {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<CudaEngine> engine,
                       CudaEngine::Create(options));
  CudaEngine* const bare = engine.get();
  return BareGpu{std::make_unique<KernelBackend<CudaEngine>>(
                     absl::StrCat("gpu-", options.device), std::move(engine)),
                 [bare](const Gemm& gemm) { bare->Multiply(gemm); }};
}

absl::StatusOr<std::unique_ptr<ComputeBackend>> MakeGpuBackend(
    const GpuOptions& options) {
  EBB_ASSIGN_OR_RETURN(BareGpu gpu, MakeBareGpu(options));
  return std::move(gpu.backend);
}

CudaEngine::CudaEngine(const GpuOptions& options, const GpuInfo& info)
    : options_(options), info_(info) {}

absl::StatusOr<std::unique_ptr<CudaEngine>> CudaEngine::Create(
    const GpuOptions& options) {
  EBB_ASSIGN_OR_RETURN(const GpuInfo info, FindGpu(options.device));
  auto engine = absl::WrapUnique(new CudaEngine(options, info));
  EBB_RETURN_IF_ERROR(engine->Start());
  return engine;
}

absl::Status CudaEngine::Start() {
  EBB_ASSIGN_OR_RETURN(cublas_, LoadCublas());
  Use();
  Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
        "making a stream");
  for (Slot& slot : slots_) {
    Check(cudaHostAlloc(&slot.memory, kSlotBytes, cudaHostAllocDefault),
          "taking pinned memory");
    Check(cudaEventCreateWithFlags(&slot.copied, cudaEventDisableTiming),
          "making an event");
  }
  EBB_RETURN_IF_ERROR(status_);
  workspace_ = NewBlock(kWorkspaceBytes);
  if (workspace_ == nullptr) {
    EBB_RETURN_IF_ERROR(status_);
    return absl::ResourceExhaustedError(absl::StrCat(
        "gpu ", options_.device, " (", info_.name, ") has no ", kWorkspaceBytes,
        " bytes free of its ", info_.memory_bytes));
  }
  CheckCublas(cublas_.create(&handle_), "starting cuBLAS");
  EBB_RETURN_IF_ERROR(status_);
  CheckCublas(cublas_.set_stream(handle_, stream_), "starting cuBLAS");
  // With its own it would allocate when sizes change.
  CheckCublas(cublas_.set_workspace(handle_, workspace_, kWorkspaceBytes),
              "starting cuBLAS");
  return status_;
}

CudaEngine::~CudaEngine() {
  // Of a device that is lost nothing can be given back, and need not be.
  cudaSetDevice(options_.device);
  if (stream_ != nullptr) cudaStreamSynchronize(stream_);
  if (handle_ != nullptr) cublas_.destroy(handle_);
  cudaFree(workspace_);
  for (const Slot& slot : slots_) {
    if (slot.copied != nullptr) cudaEventDestroy(slot.copied);
    cudaFreeHost(slot.memory);
  }
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
  cudaGetLastError();
}

void CudaEngine::Fail(absl::string_view doing, absl::string_view error) {
  if (!status_.ok()) return;
  status_ = absl::UnavailableError(absl::StrCat(
      "gpu ", options_.device, " (", info_.name, ") is lost: ", doing, ": ",
      error, "; the machine's log has NVIDIA's number of the fault (Xid), if ",
      "there was one"));
}

void CudaEngine::Check(cudaError_t error, const char* doing) {
  if (error == cudaSuccess) return;
  Fail(doing,
       absl::StrCat(cudaGetErrorName(error), ", ", cudaGetErrorString(error)));
}

void CudaEngine::CheckCublas(cublasStatus_t error, const char* doing) {
  if (error != CUBLAS_STATUS_SUCCESS) {
    Fail(doing, cublas_.get_status_string(error));
  }
}

void* CudaEngine::NewBlock(int64_t bytes) {
  Use();
  void* block = nullptr;
  const cudaError_t error = cudaMalloc(&block, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // The one error after which all goes on.
    return nullptr;
  }
  Check(error, "taking memory");
  return block;
}

void CudaEngine::DeleteBlock(void* block) {
  Use();
  Check(cudaFree(block), "giving back memory");
}

void CudaEngine::CopyIn(const void* host, int64_t bytes, void* memory) {
  Use();
  const auto* const from = static_cast<const char*>(host);
  auto* const to = static_cast<char*>(memory);
  const auto begin = [&](const Chunk& chunk) {
    const Slot& slot = slots_[chunk.slot];
    Check(cudaEventSynchronize(slot.copied), "waiting for a copy");
    std::memcpy(slot.memory, from + chunk.offset, chunk.bytes);
    Check(cudaMemcpyAsync(to + chunk.offset, slot.memory, chunk.bytes,
                          cudaMemcpyHostToDevice, stream_),
          "copying to the device");
    Check(cudaEventRecord(slot.copied, stream_), "copying to the device");
  };
  next_slot_ =
      ForEachChunk(bytes, kSlotBytes, next_slot_, begin, [](const Chunk&) {});
}

void CudaEngine::CopyOut(const void* memory, int64_t bytes, void* host) {
  Use();
  const auto* const from = static_cast<const char*>(memory);
  auto* const to = static_cast<char*>(host);
  const auto begin = [&](const Chunk& chunk) {
    const Slot& slot = slots_[chunk.slot];
    // A copy to the device may still read it; the stream has it before this.
    Check(cudaMemcpyAsync(slot.memory, from + chunk.offset, chunk.bytes,
                          cudaMemcpyDeviceToHost, stream_),
          "copying from the device");
    Check(cudaEventRecord(slot.copied, stream_), "copying from the device");
  };
  const auto end = [&](const Chunk& chunk) {
    const Slot& slot = slots_[chunk.slot];
    Check(cudaEventSynchronize(slot.copied), "computing, or copying from it");
    std::memcpy(to + chunk.offset, slot.memory, chunk.bytes);
  };
  next_slot_ = ForEachChunk(bytes, kSlotBytes, next_slot_, begin, end);
}

void CudaEngine::Zero(void* memory, int64_t bytes) {
  Use();
  Check(cudaMemsetAsync(memory, 0, bytes, stream_), "clearing memory");
}

void CudaEngine::Multiply(const Gemm& gemm) {
  Use();
  const float one = 1, zero = 0;
  const auto op = [](bool transpose) {
    return transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
  };
  CheckCublas(cublas_.gemm_ex(
                  handle_, op(gemm.transpose_a), op(gemm.transpose_b), gemm.m,
                  gemm.n, gemm.k, &one, gemm.a, CUDA_R_32F, gemm.lda, gemm.b,
                  CUDA_R_32F, gemm.ldb, &zero, gemm.c, CUDA_R_32F, gemm.ldc,
                  ComputeTypeOf(options_.precision), CUBLAS_GEMM_DEFAULT),
              "multiplying matrices");
}

}  // namespace ebb::models::gpu

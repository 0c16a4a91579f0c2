#include "models/gpu/cuda_engine.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "glog/logging.h"
#include "models/gpu/kernel_backend.h"

namespace ebb::models::gpu {
namespace {

constexpr int64_t kSlotBytes = int64_t{8} << 20;
// Less the host copies in no time, and pages are pinned slowly.
constexpr int64_t kLeastPinnedBytes = int64_t{1} << 20;
// Copying so much takes as long as some calls.
constexpr int64_t kLeastCopyBytes = int64_t{1} << 20;
// NVIDIA recommends this for Hopper.
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
  auto backend = std::make_unique<KernelBackend<CudaEngine>>(
      absl::StrCat("gpu-", options.device), std::move(engine), options.graphs);
  auto multiply = [bare = backend.get()](const Gemm& gemm) {
    bare->Flush();
    bare->engine().Multiply(gemm);
  };
  return BareGpu{std::move(backend), std::move(multiply)};
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
  for (cudaStream_t& stream : streams_) {
    Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
          "making a stream");
  }
  for (cudaEvent_t& mark : marks_) {
    Check(cudaEventCreate(&mark), "making an event");
  }
  Check(cudaEventCreate(&busy_since_), "making an event");
  for (void*& slot : slots_) {
    Check(cudaHostAlloc(&slot, kSlotBytes, cudaHostAllocDefault),
          "taking pinned memory");
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
  CheckCublas(cublas_.set_stream(handle_, StreamOf(Lane::kCompute)),
              "starting cuBLAS");
  // With its own it would allocate when sizes change.
  CheckCublas(cublas_.set_workspace(handle_, workspace_, kWorkspaceBytes),
              "starting cuBLAS");
  fused_ = FusedProducts::Create({ComputeTypeOf(options_.precision),
                                  StreamOf(Lane::kCompute), workspace_,
                                  kWorkspaceBytes});
  return status_;
}

CudaEngine::~CudaEngine() {
  // The memory of a lost device cannot be given back, and need not be.
  cudaSetDevice(options_.device);
  for (cudaStream_t stream : streams_) {
    if (stream != nullptr) cudaStreamSynchronize(stream);
  }
  fused_.reset();
  if (handle_ != nullptr) cublas_.destroy(handle_);
  cudaFree(workspace_);
  for (void* slot : slots_) cudaFreeHost(slot);
  for (cudaEvent_t mark : marks_) {
    if (mark != nullptr) cudaEventDestroy(mark);
  }
  if (busy_since_ != nullptr) cudaEventDestroy(busy_since_);
  for (cudaStream_t stream : streams_) {
    if (stream != nullptr) cudaStreamDestroy(stream);
  }
  cudaGetLastError();
}

void CudaEngine::Fail(absl::string_view doing, absl::string_view error) {
  if (capturing_) {
    if (!capture_error_.empty()) return;
    capture_error_ = absl::StrCat(doing, ": ", error);
    return;
  }
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
  // It waits for all lanes; cudaFree does not promise what it waits for.
  Check(cudaDeviceSynchronize(), "computing, or copying");
  Check(cudaFree(block), "giving back memory");
}

void CudaEngine::CopyIn(Lane lane, const void* host, int64_t bytes,
                        void* memory) {
  Begin(lane);
  Check(cudaMemcpyAsync(memory, host, bytes, cudaMemcpyHostToDevice,
                        StreamOf(lane)),
        "copying to the device");
}

void CudaEngine::CopyOut(Lane lane, const void* memory, int64_t bytes,
                         void* host) {
  Begin(lane);
  Check(cudaMemcpyAsync(host, memory, bytes, cudaMemcpyDeviceToHost,
                        StreamOf(lane)),
        "copying from the device");
}

void CudaEngine::Begin(Lane lane) {
  Use();
  if (capturing_) return;
  if (!meter_.Called(lane)) return;
  Check(cudaEventRecord(busy_since_, StreamOf(lane)), "recording an event");
}

void CudaEngine::Mark(Lane lane, int mark) {
  Use();
  Check(cudaEventRecord(marks_[mark], StreamOf(lane)), "recording an event");
  meter_.Marked(lane, mark);
}

void CudaEngine::Await(Lane lane, int mark) {
  Use();
  Check(cudaStreamWaitEvent(StreamOf(lane), marks_[mark], 0),
        "waiting for an event");
  meter_.Awaited(lane, mark);
}

void CudaEngine::Sync(int mark) {
  Use();
  Check(cudaEventSynchronize(marks_[mark]), "computing, or copying");
  if (!meter_.Reached(mark) || !status_.ok()) return;
  float milliseconds = 0;
  Check(cudaEventElapsedTime(&milliseconds, busy_since_, marks_[mark]),
        "asking how long it took");
  busy_seconds_ += std::max(milliseconds, 0.0f) / 1000;
}

bool CudaEngine::Reached(int mark) {
  Use();
  const cudaError_t error = cudaEventQuery(marks_[mark]);
  if (error == cudaErrorNotReady) {
    cudaGetLastError();  // It is none.
    return false;
  }
  Check(error, "computing, or copying");
  return true;
}

int64_t CudaEngine::least_copy_bytes() const { return kLeastCopyBytes; }

int64_t CudaEngine::slot_bytes() const { return kSlotBytes; }

std::shared_ptr<void> CudaEngine::PinHost(void* memory, int64_t bytes) {
  if (bytes < kLeastPinnedBytes) return nullptr;
  // Not by Use and Check, for this may be another thread.
  cudaError_t error = cudaSetDevice(options_.device);
  if (error == cudaSuccess) {
    error = cudaHostRegister(memory, bytes, cudaHostRegisterPortable);
  }
  if (error != cudaSuccess) {
    cudaGetLastError();  // Nothing is lost by it but time.
    LOG_FIRST_N(WARNING, 1)
        << "gpu " << options_.device << ": " << bytes
        << " bytes of the host cannot be pinned (" << cudaGetErrorString(error)
        << "): copies take longer";
    return nullptr;
  }
  return {memory, [device = options_.device](void* pinned) {
            // For the thread that frees it, which may never have used a device:
            // without this it would start the first one.
            cudaSetDevice(device);
            cudaHostUnregister(pinned);
            cudaGetLastError();
          }};
}

// Returns whether the memory is pinned, perhaps not by this engine: of a range
// that ebb pins, both ends are.
bool CudaEngine::IsPinned(const void* memory, int64_t bytes) const {
  const auto pinned = [](const char* byte) {
    cudaPointerAttributes attributes;
    if (cudaPointerGetAttributes(&attributes, byte) != cudaSuccess) {
      cudaGetLastError();
      return false;
    }
    return attributes.type == cudaMemoryTypeHost;
  };
  const auto* const first = static_cast<const char*>(memory);
  return pinned(first) && pinned(first + bytes - 1);
}

void CudaEngine::Zero(void* memory, int64_t bytes) {
  Begin(Lane::kCompute);
  Check(cudaMemsetAsync(memory, 0, bytes, StreamOf(Lane::kCompute)),
        "clearing memory");
}

void CudaEngine::Multiply(const Gemm& gemm) {
  Begin(Lane::kCompute);
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

bool CudaEngine::HasFused(const Gemm& gemm, const float* bias, Activation f,
                          absl::FunctionRef<void()> before) {
  const bool relu = f == Activation::kRelu;
  if (fused_ == nullptr || (!relu && f != Activation::kIdentity)) return false;
  return fused_->Has(gemm, bias, relu, [&] {
    before();
    Begin(Lane::kCompute);
  });
}

void CudaEngine::MultiplyFused(const Gemm& gemm, const float* bias,
                               Activation f) {
  Begin(Lane::kCompute);
  CheckCublas(fused_->Multiply(gemm, bias, f == Activation::kRelu),
              "multiplying matrices and adding a bias");
}

void CudaEngine::GraphDeleter::operator()(cudaGraphExec_t graph) const {
  cudaSetDevice(device);
  cudaGraphExecDestroy(graph);  // One that is under way is freed at its end.
  cudaGetLastError();
}

CudaEngine::Graph CudaEngine::Capture(absl::FunctionRef<void()> issue) {
  Graph captured(nullptr, GraphDeleter{options_.device});
  if (!status_.ok()) return captured;
  Use();
  capturing_ = true;
  // Other threads, which pin memory, go on.
  Check(cudaStreamBeginCapture(StreamOf(Lane::kCompute),
                               cudaStreamCaptureModeThreadLocal),
        "beginning a capture");
  if (capture_error_.empty()) {
    issue();
    // Also where something failed: else the stream stays as it is.
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t made = nullptr;
    Check(cudaStreamEndCapture(StreamOf(Lane::kCompute), &graph),
          "ending a capture");
    if (capture_error_.empty()) {
      Check(cudaGraphInstantiate(&made, graph, 0), "making a graph");
    }
    if (graph != nullptr) cudaGraphDestroy(graph);
    if (capture_error_.empty()) captured.reset(made);
  }
  capturing_ = false;
  if (capture_error_.empty()) return captured;
  cudaGetLastError();
  LOG(WARNING) << "gpu " << options_.device
               << ": no graphs from now on, for the host to do more: "
               << std::exchange(capture_error_, "");
  return captured;
}

void CudaEngine::Replay(const Graph& graph) {
  Begin(Lane::kCompute);
  Check(cudaGraphLaunch(graph.get(), StreamOf(Lane::kCompute)),
        "launching a graph");
}

}  // namespace ebb::models::gpu

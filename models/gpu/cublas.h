// cuBLAS, looked up when a worker first needs it: its libraries are half a GiB,
// and a worker without a device starts without them.
#ifndef EBB_MODELS_GPU_CUBLAS_H_
#define EBB_MODELS_GPU_CUBLAS_H_

#include <cublas_v2.h>

#include "absl/status/statusor.h"

namespace ebb::models::gpu {

// The functions of the library; it stays loaded.
struct Cublas {
  decltype(&cublasCreate_v2) create = nullptr;
  decltype(&cublasDestroy_v2) destroy = nullptr;
  decltype(&cublasSetStream_v2) set_stream = nullptr;
  decltype(&cublasSetWorkspace_v2) set_workspace = nullptr;
  decltype(&cublasGemmEx_64) gemm_ex = nullptr;
  decltype(&cublasGetStatusString) get_status_string = nullptr;
};

// Looks where the loader does, and then where the toolkit was that ebb was
// built with. kFailedPrecondition: it is in neither place, or too old.
absl::StatusOr<Cublas> LoadCublas();

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_CUBLAS_H_

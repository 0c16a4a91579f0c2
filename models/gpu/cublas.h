// cuBLAS and cuBLASLt, looked up when a worker first needs them: the libraries
// are half a GiB, and a worker without a device starts without them.
#ifndef EBB_MODELS_GPU_CUBLAS_H_
#define EBB_MODELS_GPU_CUBLAS_H_

#include <cublasLt.h>
#include <cublas_v2.h>

#include "absl/status/statusor.h"

namespace ebb::models::gpu {

// The functions of the libraries, which stay loaded.
struct Cublas {
  decltype(&cublasCreate_v2) create = nullptr;
  decltype(&cublasDestroy_v2) destroy = nullptr;
  decltype(&cublasSetStream_v2) set_stream = nullptr;
  decltype(&cublasSetWorkspace_v2) set_workspace = nullptr;
  decltype(&cublasGemmEx_64) gemm_ex = nullptr;
  decltype(&cublasGetStatusString) get_status_string = nullptr;
};
struct CublasLt {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) get_heuristic = nullptr;
  decltype(&cublasLtMatmulDescCreate) create_desc = nullptr;
  decltype(&cublasLtMatmulDescDestroy) destroy_desc = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_desc = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) create_layout = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) destroy_layout = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) create_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
};

// Look where the loader does, and then where the toolkit was that ebb was built
// with. kFailedPrecondition: it is in neither place, or too old.
absl::StatusOr<Cublas> LoadCublas();
absl::StatusOr<CublasLt> LoadCublasLt();

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_CUBLAS_H_

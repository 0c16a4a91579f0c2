#include "models/gpu/cublas.h"

#include <dlfcn.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"

namespace ebb::models::gpu {
namespace {

template <typename Function>
absl::Status Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  if (*function != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the cuBLAS that was found has no ", name));
}

absl::StatusOr<void*> Open(absl::string_view name) {
  const std::string file = absl::StrCat(name, ".so.", CUBLAS_VER_MAJOR);
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const std::string why = dlerror();
  library = dlopen(absl::StrCat(EBB_CUDA_LIBRARIES, "/", file).c_str(),
                   RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  return absl::FailedPreconditionError(
      absl::StrCat("cuBLAS of CUDA ", CUBLAS_VER_MAJOR, " is not there: ", why,
                   "; install it, or name its folder in LD_LIBRARY_PATH"));
}

}  // namespace

absl::StatusOr<Cublas> LoadCublas() {
  EBB_ASSIGN_OR_RETURN(void* library, Open("libcublas"));
  Cublas cublas;
  EBB_RETURN_IF_ERROR(Find(library, "cublasCreate_v2", &cublas.create));
  EBB_RETURN_IF_ERROR(Find(library, "cublasDestroy_v2", &cublas.destroy));
  EBB_RETURN_IF_ERROR(Find(library, "cublasSetStream_v2", &cublas.set_stream));
  EBB_RETURN_IF_ERROR(
      Find(library, "cublasSetWorkspace_v2", &cublas.set_workspace));
  EBB_RETURN_IF_ERROR(Find(library, "cublasGemmEx_64", &cublas.gemm_ex));
  EBB_RETURN_IF_ERROR(
      Find(library, "cublasGetStatusString", &cublas.get_status_string));
  return cublas;
}

absl::StatusOr<CublasLt> LoadCublasLt() {
  EBB_ASSIGN_OR_RETURN(void* library, Open("libcublasLt"));
  CublasLt lt;
  const auto find = [&](const char* name, auto* function) {
    return Find(library, name, function);
  };
  EBB_RETURN_IF_ERROR(find("cublasLtCreate", &lt.create));
  EBB_RETURN_IF_ERROR(find("cublasLtDestroy", &lt.destroy));
  EBB_RETURN_IF_ERROR(find("cublasLtMatmul", &lt.matmul));
  EBB_RETURN_IF_ERROR(
      find("cublasLtMatmulAlgoGetHeuristic", &lt.get_heuristic));
  EBB_RETURN_IF_ERROR(find("cublasLtMatmulDescCreate", &lt.create_desc));
  EBB_RETURN_IF_ERROR(find("cublasLtMatmulDescDestroy", &lt.destroy_desc));
  EBB_RETURN_IF_ERROR(find("cublasLtMatmulDescSetAttribute", &lt.set_desc));
  EBB_RETURN_IF_ERROR(find("cublasLtMatrixLayoutCreate", &lt.create_layout));
  EBB_RETURN_IF_ERROR(find("cublasLtMatrixLayoutDestroy", &lt.destroy_layout));
  EBB_RETURN_IF_ERROR(
      find("cublasLtMatmulPreferenceCreate", &lt.create_preference));
  EBB_RETURN_IF_ERROR(
      find("cublasLtMatmulPreferenceDestroy", &lt.destroy_preference));
  EBB_RETURN_IF_ERROR(
      find("cublasLtMatmulPreferenceSetAttribute", &lt.set_preference));
  return lt;
}

}  // namespace ebb::models::gpu

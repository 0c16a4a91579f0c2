#include "models/gpu/cublas.h"

#include <dlfcn.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::models::gpu {
namespace {

template <typename Function>
absl::Status Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  if (*function != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the libcublas that was found has no ", name));
}

}  // namespace

absl::StatusOr<Cublas> LoadCublas() {
  const std::string file = absl::StrCat("libcublas.so.", CUBLAS_VER_MAJOR);
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string why = dlerror();
    library = dlopen(absl::StrCat(EBB_CUDA_LIBRARIES, "/", file).c_str(),
                     RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(
          "cuBLAS of CUDA ", CUBLAS_VER_MAJOR, " is not there: ", why,
          "; install it, or name its folder in LD_LIBRARY_PATH"));
    }
  }
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

}  // namespace ebb::models::gpu

// Products of matrices with the bias and the ReLU of a layer in them, by
// cuBLASLt: a pass over the result less.
#ifndef EBB_MODELS_GPU_FUSED_PRODUCTS_H_
#define EBB_MODELS_GPU_FUSED_PRODUCTS_H_

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/functional/function_ref.h"
#include "models/gpu/cublas.h"
#include "models/gpu/gemm.h"

namespace ebb::models::gpu {

// The products of one stream. Not thread-safe; the device is that of the
// calling thread.
class FusedProducts {
 public:
  struct Options {
    cublasComputeType_t compute;
    cudaStream_t stream;
    // Not owned; without another user at the same place of the stream.
    void* workspace;
    int64_t workspace_bytes;
  };

  // Null, with a line in the log: there is no such library here.
  static std::unique_ptr<FusedProducts> Create(const Options& options);
  ~FusedProducts();
  FusedProducts(const FusedProducts&) = delete;
  FusedProducts& operator=(const FusedProducts&) = delete;

  // True if Multiply can do it. The first product of its kind is tried, which
  // waits: then `before` is called first, and c is left with something in it.
  bool Has(const Gemm& gemm, const float* bias, bool relu,
           absl::FunctionRef<void()> before);
  // c = op(a) op(b), plus bias(m) on each column, and with `relu` no less than
  // 0; a NaN stays one. The last that Has was asked of such a product was
  // answered with true.
  cublasStatus_t Multiply(const Gemm& gemm, const float* bias, bool relu);

 private:
  // Products are alike if they differ in their pointers only, and these have
  // the same alignment.
  using Key = std::array<int64_t, 13>;
  struct Plan {
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
    cublasLtMatmulAlgo_t algo = {};
    bool usable = false;
  };

  FusedProducts(const CublasLt& lt, const Options& options)
      : lt_(lt), options_(options) {}
  static Key KeyOf(const Gemm& gemm, const float* bias, bool relu);
  bool Prepare(const Gemm& gemm, const float* bias, bool relu, Plan* plan);
  bool FindAlgorithm(const Gemm& gemm, Plan* plan);
  // True if ReLU lets them through, which cuBLASLt does not promise; writes c.
  bool KeepsNans(const Gemm& gemm, const Plan& plan);
  cublasStatus_t Run(const Gemm& gemm, const float* bias, const Plan& plan);
  void Forget();

  const CublasLt lt_;
  const Options options_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<Key, Plan> plans_;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_FUSED_PRODUCTS_H_

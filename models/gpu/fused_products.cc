#include "models/gpu/fused_products.h"

#include <cmath>
#include <utility>

#include "absl/memory/memory.h"
#include "glog/logging.h"

namespace ebb::models::gpu {
namespace {

// Plans for shapes: batches of a job have few.
constexpr size_t kMostPlans = 64;
// More is of no use to cuBLASLt.
constexpr uintptr_t kMostAlignment = 256;
// Kernels read this much of the bias at once, and cannot be told not to: their
// alignment is not among cublasLtMatmulPreferenceAttributes_t.
constexpr int64_t kBiasAlignment = 16;

int64_t AlignmentOf(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer) | kMostAlignment;
  return static_cast<int64_t>(address & (~address + 1));
}

bool Good(cublasStatus_t status) { return status == CUBLAS_STATUS_SUCCESS; }

}  // namespace

std::unique_ptr<FusedProducts> FusedProducts::Create(const Options& options) {
  const auto lt = LoadCublasLt();
  if (!lt.ok()) {
    LOG_FIRST_N(WARNING, 1)
        << "layers take a pass more: " << lt.status().message();
    return nullptr;
  }
  auto products = absl::WrapUnique(new FusedProducts(*lt, options));
  if (!Good(lt->create(&products->handle_))) return nullptr;
  return products;
}

FusedProducts::~FusedProducts() {
  Forget();
  if (handle_ != nullptr) lt_.destroy(handle_);
}

void FusedProducts::Forget() {
  for (auto& [key, plan] : plans_) {
    if (plan.desc != nullptr) lt_.destroy_desc(plan.desc);
    for (cublasLtMatrixLayout_t layout : {plan.a, plan.b, plan.c}) {
      if (layout != nullptr) lt_.destroy_layout(layout);
    }
  }
  plans_.clear();
}

FusedProducts::Key FusedProducts::KeyOf(const Gemm& gemm, const float* bias,
                                        bool relu) {
  return {gemm.transpose_a,
          gemm.transpose_b,
          gemm.m,
          gemm.n,
          gemm.k,
          gemm.lda,
          gemm.ldb,
          gemm.ldc,
          relu,
          AlignmentOf(gemm.a),
          AlignmentOf(gemm.b),
          AlignmentOf(gemm.c),
          AlignmentOf(bias)};
}

bool FusedProducts::Has(const Gemm& gemm, const float* bias, bool relu,
                        absl::FunctionRef<void()> before) {
  if (AlignmentOf(bias) < kBiasAlignment) return false;
  const Key key = KeyOf(gemm, bias, relu);
  const auto known = plans_.find(key);
  if (known != plans_.end()) return known->second.usable;
  before();
  if (plans_.size() >= kMostPlans) Forget();
  Plan& plan = plans_[key];
  return plan.usable = Prepare(gemm, bias, relu, &plan);
}

cublasStatus_t FusedProducts::Multiply(const Gemm& gemm, const float* bias,
                                       bool relu) {
  const auto plan = plans_.find(KeyOf(gemm, bias, relu));
  CHECK(plan != plans_.end() && plan->second.usable) << "Has was not asked";
  return Run(gemm, bias, plan->second);
}

bool FusedProducts::Prepare(const Gemm& gemm, const float* bias, bool relu,
                            Plan* plan) {
  if (!Good(lt_.create_desc(&plan->desc, options_.compute, CUDA_R_32F))) {
    plan->desc = nullptr;
    return false;
  }
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute,
                       const auto& value) {
    return Good(lt_.set_desc(plan->desc, attribute, &value, sizeof(value)));
  };
  const auto op = [](bool transpose) {
    return static_cast<int32_t>(transpose ? CUBLAS_OP_T : CUBLAS_OP_N);
  };
  const auto epilogue = static_cast<uint32_t>(relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                                   : CUBLASLT_EPILOGUE_BIAS);
  // Makes the layout of a matrix before op.
  const auto layout = [&](cublasLtMatrixLayout_t* made, bool transposed,
                          int64_t rows, int64_t columns, int64_t ld) {
    if (transposed) std::swap(rows, columns);
    const cublasStatus_t status =
        lt_.create_layout(made, CUDA_R_32F, static_cast<uint64_t>(rows),
                          static_cast<uint64_t>(columns), ld);
    if (!Good(status)) *made = nullptr;
    return Good(status);
  };
  return set(CUBLASLT_MATMUL_DESC_TRANSA, op(gemm.transpose_a)) &&
         set(CUBLASLT_MATMUL_DESC_TRANSB, op(gemm.transpose_b)) &&
         set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue) &&
         set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias) &&
         layout(&plan->a, gemm.transpose_a, gemm.m, gemm.k, gemm.lda) &&
         layout(&plan->b, gemm.transpose_b, gemm.k, gemm.n, gemm.ldb) &&
         layout(&plan->c, false, gemm.m, gemm.n, gemm.ldc) &&
         FindAlgorithm(gemm, plan) && (!relu || KeepsNans(gemm, *plan));
}

bool FusedProducts::FindAlgorithm(const Gemm& gemm, Plan* plan) {
  cublasLtMatmulPreference_t preference = nullptr;
  if (!Good(lt_.create_preference(&preference))) return false;
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute,
                       const auto& value) {
    return Good(
        lt_.set_preference(preference, attribute, &value, sizeof(value)));
  };
  const auto alignment = [](const void* pointer) {
    return static_cast<uint32_t>(AlignmentOf(pointer));
  };
  cublasLtMatmulHeuristicResult_t result = {};
  int found = 0;
  const bool ok =
      set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
          static_cast<uint64_t>(options_.workspace_bytes)) &&
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(gemm.a)) &&
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(gemm.b)) &&
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(gemm.c)) &&
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(gemm.c)) &&
      Good(lt_.get_heuristic(handle_, plan->desc, plan->a, plan->b, plan->c,
                             plan->c, preference, 1, &result, &found)) &&
      found == 1 && Good(result.state);
  lt_.destroy_preference(preference);
  plan->algo = result.algo;
  return ok;
}

// Tries this very algorithm, once, with a bias of NaNs. If it fails here for
// good, the next call of the engine fails, too.
bool FusedProducts::KeepsNans(const Gemm& gemm, const Plan& plan) {
  const size_t bytes = static_cast<size_t>(gemm.m) * sizeof(float);
  void* nans = nullptr;
  if (cudaMalloc(&nans, bytes) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  float ends[2] = {};
  const auto read = [&](const float* from, float* to) {
    return cudaMemcpyAsync(to, from, sizeof(float), cudaMemcpyDeviceToHost,
                           options_.stream) == cudaSuccess;
  };
  const bool ok =
      cudaMemsetAsync(nans, 0xff, bytes, options_.stream) == cudaSuccess &&
      Good(Run(gemm, static_cast<const float*>(nans), plan)) &&
      read(gemm.c, &ends[0]) &&
      read(gemm.c + (gemm.n - 1) * gemm.ldc + gemm.m - 1, &ends[1]);
  const bool done = cudaStreamSynchronize(options_.stream) == cudaSuccess;
  cudaFree(nans);
  return ok && done && std::isnan(ends[0]) && std::isnan(ends[1]);
}

cublasStatus_t FusedProducts::Run(const Gemm& gemm, const float* bias,
                                  const Plan& plan) {
  const cublasStatus_t status = lt_.set_desc(
      plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(bias));
  if (!Good(status)) return status;
  const float one = 1, zero = 0;
  return lt_.matmul(
      handle_, plan.desc, &one, gemm.a, plan.a, gemm.b, plan.b, &zero, gemm.c,
      plan.c, gemm.c, plan.c, &plan.algo, options_.workspace,
      static_cast<size_t>(options_.workspace_bytes), options_.stream);
}

}  // namespace ebb::models::gpu

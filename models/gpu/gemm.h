// Products of matrices stored row after row, said to a BLAS, whose matrices are
// stored column after column: the same memory is then the transpose, and
// (a b)' = b' a'.
#ifndef EBB_MODELS_GPU_GEMM_H_
#define EBB_MODELS_GPU_GEMM_H_

#include <cstdint>

namespace ebb::models::gpu {

// c = op(a) op(b), where op transposes or does nothing, op(a) is (m, k), op(b)
// (k, n) and c (m, n), stored column after column; ld is the distance of two
// columns.
struct Gemm {
  // The three of ComputeBackend.
  static constexpr Gemm MatMul(int64_t m, int64_t k, int64_t n, const float* a,
                               const float* b, float* c) {
    return {false, false, n, m, k, b, n, a, k, c, n};
  }
  static constexpr Gemm MatMulTransA(int64_t m, int64_t k, int64_t n,
                                     const float* a, const float* b, float* c) {
    return {false, true, n, k, m, b, n, a, k, c, n};
  }
  static constexpr Gemm MatMulTransB(int64_t m, int64_t n, int64_t k,
                                     const float* a, const float* b, float* c) {
    return {true, false, k, m, n, b, n, a, n, c, k};
  }

  bool transpose_a;
  bool transpose_b;
  int64_t m;
  int64_t n;
  int64_t k;
  const float* a;
  int64_t lda;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  bool operator==(const Gemm&) const = default;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_GEMM_H_

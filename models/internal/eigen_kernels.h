// The inner loops of the Eigen back end, compiled once for each set of
// instructions and chosen at run time.
//
// The file that implements them is compiled with flags that this machine's
// processor may not know. So neither this header nor that file may leave behind
// a function that the linker could prefer to the same function compiled without
// the flags. They have no inline functions and no templates of the standard
// library, only pointers and numbers. A test looks at the symbols of the object
// files (check_kernel_symbols.cmake).
#ifndef EBB_MODELS_INTERNAL_EIGEN_KERNELS_H_
#define EBB_MODELS_INTERNAL_EIGEN_KERNELS_H_

#include <stdint.h>

#include "models/internal/exact_kernels.h"

namespace ebb::models::internal {

struct CsrPointers {
  const int64_t* row_offsets;
  const int32_t* columns;
  const float* values;
};

// The distances between the stored rows of a product's a, b and c.
struct ProductStrides {
  int64_t a, b, c;
};

// The order of models::Activation.
enum class KernelActivation : int { kIdentity, kRelu, kTanh, kSigmoid };

// Operations as in backend.h.
struct EigenKernels {
  const char* isa;
  // The floats of scratch memory, aligned to 64 bytes, that a dense product
  // needs whose result is (m, n) and whose sums have k terms.
  int64_t (*scratch_size)(int64_t m, int64_t n, int64_t k);
  void (*mat_mul)(int64_t m, int64_t k, int64_t n, const float* a,
                  const float* b, const float* bias, float* c,
                  ProductStrides strides, float* scratch);
  void (*mat_mul_trans_a)(int64_t m, int64_t k, int64_t n, const float* a,
                          const float* b, float* c, ProductStrides strides,
                          float* scratch);
  void (*mat_mul_trans_b)(int64_t m, int64_t n, int64_t k, const float* a,
                          const float* b, float* c, ProductStrides strides,
                          float* scratch);
  void (*sparse_mat_mul)(int64_t m, int64_t n, CsrPointers a, const float* b,
                         const float* bias, float* c);
  void (*sparse_mat_mul_trans_a)(int64_t m, int64_t k, int64_t n, CsrPointers a,
                                 const float* b, float* c);
  void (*factor_scores)(int64_t m, int64_t n, CsrPointers a, const float* b,
                        float* sums, float* scores);
  void (*factor_gradient)(int64_t m, int64_t k, int64_t n, CsrPointers a,
                          const float* b, const float* sums, const float* delta,
                          float* c);
  void (*field_factor_scores)(int64_t m, int64_t f, int64_t n, CsrPointers a,
                              const uint16_t* fields, const float* b,
                              float* scores);
  void (*field_factor_gradient)(int64_t m, int64_t k, int64_t f, int64_t n,
                                CsrPointers a, const uint16_t* fields,
                                const float* b, const float* delta, float* c);
  void (*field_sums)(int64_t m, int64_t f, int64_t n, CsrPointers a,
                     const uint16_t* fields, const float* b, float* c);
  void (*field_sums_gradient)(int64_t m, int64_t k, int64_t f, int64_t n,
                              CsrPointers a, const uint16_t* fields,
                              const float* delta, float* c);
  void (*column_sums)(int64_t m, int64_t n, const float* a, float* sums);
  void (*activate)(KernelActivation f, int64_t count, float* x);
  void (*activate_backward)(KernelActivation f, int64_t count, const float* y,
                            float* gradient);
  void (*find_least)(int64_t m, int64_t n, const float* costs,
                     const float* products, const float* slack,
                     int32_t* nearest);
  void (*find_nearest)(int64_t m, int64_t d, int64_t n, const float* centroids,
                       const float* costs, const float* examples,
                       float rounding, float longest, int32_t* nearest);
  AddDifferencesKernel* add_differences;
  void (*multiply)(int64_t count, const float* x, const float* y, float* z);
  void (*add_scaled)(int64_t count, float alpha, const float* x, float* y);
  void (*add_scaled_rows)(int64_t m, int64_t n, float alpha, const float* scale,
                          const float* x, float* y);
  void (*scale)(int64_t count, float alpha, float* x);
  double (*sum_of_squares)(int64_t count, const float* x);
};

extern const EigenKernels kEigenKernelsBaseline;
extern const EigenKernels kEigenKernelsAvx2;
extern const EigenKernels kEigenKernelsAvx512;

}  // namespace ebb::models::internal

#endif  // EBB_MODELS_INTERNAL_EIGEN_KERNELS_H_

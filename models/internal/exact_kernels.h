// Inner loops whose results are the same to the bit with all sets of
// instructions. They are compiled as those of eigen_kernels.h are, and the same
// holds for their file; but the compiler must not make one rounding of a
// product and a sum, which only some processors can.
#ifndef EBB_MODELS_INTERNAL_EXACT_KERNELS_H_
#define EBB_MODELS_INTERNAL_EXACT_KERNELS_H_

#include <stdint.h>

namespace ebb::models::internal {

// See ComputeBackend::AddDifferences.
using AddDifferencesKernel = void(int64_t n, int64_t d, const float* examples,
                                  const int32_t* nearest,
                                  const float* centroids, float* sums,
                                  double* squares);
AddDifferencesKernel AddDifferencesBaseline;
AddDifferencesKernel AddDifferencesAvx2;
AddDifferencesKernel AddDifferencesAvx512;

}  // namespace ebb::models::internal

#endif  // EBB_MODELS_INTERNAL_EXACT_KERNELS_H_

// Dense products for processors with AVX-512. They take about an eighth less
// time than Eigen's (docs/measured/performance-notes.md), which serve the
// others.
//
// What eigen_kernels.h says of its file holds for this one's, too.
#ifndef EBB_MODELS_INTERNAL_TILED_PRODUCT_H_
#define EBB_MODELS_INTERNAL_TILED_PRODUCT_H_

#include <stdint.h>

namespace ebb::models::internal {

// c(m, n) = the bias in each row + a(m, k) b(k, n). Each step is the distance
// of an element from the next one in that direction, in floats. Rows of c are
// contiguous. So are those of b, or its columns.
struct TiledProduct {
  int64_t m, n, k;
  const float* a;
  int64_t a_row_step, a_term_step;
  const float* b;
  int64_t b_term_step, b_column_step;
  const float* bias;  // Null: zeros.
  float* c;
  int64_t c_row_step;
};

// The floats of scratch memory, aligned to 64 bytes, whatever the sizes.
inline constexpr int64_t kTiledProductScratch = 192 * 48;

// Adds the terms of each sum one by one in their order, each with a fused
// multiply-add. So a result does not depend on what else is computed with it.
// k is at least 1.
void ComputeTiledProduct(const TiledProduct& product, float* scratch);

}  // namespace ebb::models::internal

#endif  // EBB_MODELS_INTERNAL_TILED_PRODUCT_H_

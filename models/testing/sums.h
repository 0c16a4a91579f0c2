// Sums that a back end leaves in its own memory, as tests want them.
#ifndef EBB_MODELS_TESTING_SUMS_H_
#define EBB_MODELS_TESTING_SUMS_H_

#include <cstdint>

#include "models/backend.h"

namespace ebb::models::testing {

inline LossSums ComputeLoss(ComputeBackend* backend, Loss loss, int64_t rows,
                            int64_t columns, const float* labels,
                            const float* scores, float* gradient) {
  BackendArray memory(backend);
  auto* const at = memory.Reserve<LossSums>(1);
  backend->ComputeLoss(loss, rows, columns, labels, scores, gradient, at);
  LossSums sums;
  backend->CopyOut(at, sizeof(sums), &sums);
  return sums;
}

inline double SumOfSquares(ComputeBackend* backend, int64_t count,
                           const float* x) {
  BackendArray memory(backend);
  auto* const at = memory.Reserve<double>(1);
  backend->SumOfSquares(count, x, at);
  double squares = 0;
  backend->CopyOut(at, sizeof(squares), &squares);
  return squares;
}

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_SUMS_H_

// Compiled with EBB_KERNELS_ISA set to Baseline, Avx2 or Avx512 and the flags
// that go with it; see the header for what this file must not do.
#include "models/internal/exact_kernels.h"

#define EBB_CONCAT2_(a, b) a##b
#define EBB_CONCAT_(a, b) EBB_CONCAT2_(a, b)
#define EBB_ADD_DIFFERENCES_ EBB_CONCAT_(AddDifferences, EBB_KERNELS_ISA)

namespace ebb::models::internal {
namespace {

// Floats at any place, which the compiler divides among as many registers as
// they need.
constexpr int64_t kWide = 16;
constexpr int64_t kLanes = 4;  // Sums side by side, a part of the result.
using Wide = float __attribute__((vector_size(64)));
using Lanes = float __attribute__((vector_size(16)));
// Anywhere in an array of floats.
template <typename Vector>
struct __attribute__((packed, may_alias)) Anywhere {
  Vector vector;
};
template <typename Vector>
inline const Anywhere<Vector>& At(const float* floats) {
  return *reinterpret_cast<const Anywhere<Vector>*>(floats);
}
template <typename Vector>
inline Anywhere<Vector>& At(float* floats) {
  return *reinterpret_cast<Anywhere<Vector>*>(floats);
}

// Adds x - c to `sum`; returns the squared length of x - c.
inline float AddDifference(int64_t d, const float* __restrict x,
                           const float* __restrict c, float* __restrict sum) {
  Lanes squares = {};
  int64_t i = 0;
  for (; i + kWide <= d; i += kWide) {
    const Wide difference = At<Wide>(x + i).vector - At<Wide>(c + i).vector;
    At<Wide>(sum + i).vector += difference;
    const Wide square = difference * difference;
    squares += __builtin_shufflevector(square, square, 0, 1, 2, 3);
    squares += __builtin_shufflevector(square, square, 4, 5, 6, 7);
    squares += __builtin_shufflevector(square, square, 8, 9, 10, 11);
    squares += __builtin_shufflevector(square, square, 12, 13, 14, 15);
  }
  for (; i + kLanes <= d; i += kLanes) {
    const Lanes difference = At<Lanes>(x + i).vector - At<Lanes>(c + i).vector;
    At<Lanes>(sum + i).vector += difference;
    squares += difference * difference;
  }
  for (; i < d; ++i) {
    const float difference = x[i] - c[i];
    sum[i] += difference;
    squares[0] += difference * difference;
  }
  return (squares[0] + squares[1]) + (squares[2] + squares[3]);
}

}  // namespace

void EBB_ADD_DIFFERENCES_(int64_t n, int64_t d, const float* examples,
                          const int32_t* nearest, const float* centroids,
                          float* sums, double* squares) {
  double all = *squares;
  for (int64_t row = 0; row < n; ++row) {
    const int64_t at = nearest[row] * d;
    all += static_cast<double>(
        AddDifference(d, examples + row * d, centroids + at, sums + at));
  }
  *squares = all;
}

}  // namespace ebb::models::internal

#include "models/backends.h"

#include <limits>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "models/eigen_backend.h"
#include "models/internal/exact_kernels.h"
#include "models/reference_backend.h"

namespace ebb::models {

void ComputeBackend::FindLeast(int64_t m, int64_t n, const float* costs,
                               const float* products, const float* slack,
                               int32_t* nearest) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (int64_t j = 0; j < n; ++j) {
    float least = kInfinity;
    float second = kInfinity;
    int32_t at = -1;
    for (int64_t i = 0; i < m; ++i) {
      const float cost = costs[i] - products[i * n + j];
      if (cost < least) {
        second = least;
        least = cost;
        at = static_cast<int32_t>(i);
      } else if (cost < second) {
        second = cost;
      }
    }
    nearest[j] = second > least + slack[j] ? at : -1;
  }
}

void ComputeBackend::FindNearest(int64_t m, int64_t d, int64_t n,
                                 const float* centroids, const float* costs,
                                 const float* examples, float rounding,
                                 float longest, int32_t* nearest) {
  std::vector<float> products(m);
  for (int64_t row = 0; row < n; ++row) {
    const float* const x = examples + row * d;
    const float square = std::inner_product(x, x + d, x, 0.0f);
    for (int64_t k = 0; k < m; ++k) {
      products[k] = std::inner_product(x, x + d, centroids + k * d, 0.0f);
    }
    const float slack = rounding * (square + 3 * longest * longest);
    FindLeast(m, 1, costs, products.data(), &slack, nearest + row);
  }
}

void ComputeBackend::AddDifferences(int64_t n, int64_t d, const float* examples,
                                    const int32_t* nearest,
                                    const float* centroids, float* sums,
                                    double* squares) {
  internal::AddDifferencesBaseline(n, d, examples, nearest, centroids, sums,
                                   squares);
}

absl::StatusOr<std::unique_ptr<ComputeBackend>> CreateBackend(
    const BackendOptions& options) {
  if (options.threads < 1 || options.threads > kMostThreads ||
      (options.threads > 1 && options.kind == "reference")) {
    return absl::InvalidArgumentError(
        absl::StrCat("back end ", options.kind, " with ", options.threads,
                     " threads: eigen "
                     "has 1 to ",
                     kMostThreads, ", and reference has 1"));
  }
  if (options.kind == "eigen") {
    return MakeEigenBackend(options.isa, options.threads);
  }
  if (options.kind == "reference") return MakeReferenceBackend();
  return absl::InvalidArgumentError(absl::StrCat(
      "back end \"", options.kind, "\": known are eigen, reference"));
}

}  // namespace ebb::models

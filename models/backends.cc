#include "models/backends.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "models/eigen_backend.h"
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

absl::StatusOr<std::unique_ptr<ComputeBackend>> CreateBackend(
    const BackendOptions& options) {
  if (options.kind == "eigen") return MakeEigenBackend(options.isa);
  if (options.kind == "reference") return MakeReferenceBackend();
  return absl::InvalidArgumentError(absl::StrCat(
      "back end \"", options.kind, "\": known are eigen, reference"));
}

}  // namespace ebb::models

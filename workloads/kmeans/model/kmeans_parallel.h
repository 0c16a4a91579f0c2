// k-means||, a seeding of K-Means in a few passes over all data (Bahmani et al.
// 2012, "Scalable k-means++").
#ifndef EBB_WORKLOADS_KMEANS_MODEL_KMEANS_PARALLEL_H_
#define EBB_WORKLOADS_KMEANS_MODEL_KMEANS_PARALLEL_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/backend.h"
#include "models/batch.h"

namespace ebb::workloads {

// The rounds, and the examples that a round is expected to draw for each
// cluster.
inline constexpr int64_t kParallelRounds = 5;
inline constexpr int64_t kParallelDraws = 2;

// The data of a seeding. A view is valid until the next call.
struct SeedingData {
  int64_t examples = 0;
  int64_t features = 0;
  // The examples with these numbers, in this order.
  absl::FunctionRef<absl::StatusOr<models::BatchView>(std::span<const int64_t>)>
      gather;
  // Called now and then while it computes.
  absl::FunctionRef<void()> step = +[] {};
};

// Returns k centroids, row after row, that are examples: a function of the data
// and the seed. There are at least k examples, and k is at least 1. Beside a
// block of examples it keeps a few numbers for each example, and the examples
// that it drew, some for each cluster. `backend` computes in ordinary memory.
// Returns the errors of `gather`.
absl::StatusOr<std::vector<float>> KMeansParallel(
    const SeedingData& data, int64_t k, uint64_t seed,
    models::ComputeBackend* backend);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_MODEL_KMEANS_PARALLEL_H_

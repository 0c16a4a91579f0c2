// The seeding of K-Means (Arthur and Vassilvitskii 2007, "k-means++: the
// advantages of careful seeding").
#ifndef EBB_WORKLOADS_KMEANS_MODEL_KMEANS_PLUS_PLUS_H_
#define EBB_WORKLOADS_KMEANS_MODEL_KMEANS_PLUS_PLUS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "models/batch.h"

namespace ebb::workloads {

// Returns k of the examples, row after row: a function of the arguments alone.
// There are at least k examples, dense or sparse, and k is at least 1. Each is
// drawn with a chance that grows with the squared distance to those drawn
// before, and with its weight. It draws 2 + log k examples at a time, and takes
// the one that leaves all nearest (as the authors' code does). If fewer than k
// examples differ, some are returned twice. Weights are 0 or more, and some are
// above 0. Without any, all examples weigh the same. It calls `step` for each
// that it takes.
std::vector<float> KMeansPlusPlus(
    const models::BatchView& examples, int64_t k, uint64_t seed,
    std::span<const double> weights = {},
    absl::FunctionRef<void()> step = +[] {});

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_MODEL_KMEANS_PLUS_PLUS_H_

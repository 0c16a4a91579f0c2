// The centroids that Lloyd's K-Means begins with, chosen from the data.
#ifndef EBB_WORKLOADS_KMEANS_WORKER_FIRST_CENTROIDS_H_
#define EBB_WORKLOADS_KMEANS_WORKER_FIRST_CENTROIDS_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "ebb/v1/job.pb.h"
#include "models/backend.h"

namespace ebb::workloads {

// The examples that k-means++ chooses from: fewer of them where it would
// compute for long, or take much memory. InvalidArgument: it would with the
// fewest that serve.
absl::StatusOr<int64_t> CentroidSample(int64_t examples, int64_t features,
                                       int64_t clusters);

// Checks that ChooseCentroids can choose. InvalidArgument: the data has fewer
// examples than there are clusters, or names its features by keys, or choosing
// would take too long.
absl::Status CheckSeeding(const data::Dataset& train, const v1::Model& model);

// Returns `model.clusters` examples, row after row, chosen as `model.seeding`
// says: a function of the data and the seed. `backend` computes in ordinary
// memory. Blocks while it computes, and calls `step` now and then. The errors
// of CheckSeeding.
absl::StatusOr<std::vector<float>> ChooseCentroids(
    const data::Dataset& train, const v1::Model& model, uint64_t seed,
    models::ComputeBackend* backend, absl::FunctionRef<void()> step = +[] {});

// How many of the examples differ, or `most` if it is no fewer. Examples of
// columns; blocks while it reads as many as it takes.
absl::StatusOr<int64_t> CountDifferent(const data::Dataset& train,
                                       int64_t most);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_WORKER_FIRST_CENTROIDS_H_

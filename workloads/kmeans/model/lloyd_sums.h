// The sums of a round of Lloyd's K-Means over examples. A round of many workers
// and a run of one add them up alike.
//
// They are the same to the bit whatever instructions a processor has: which
// centroid is nearest does not depend on rounding (nearest_centroids.h), and
// what is added here is added in one order.
#ifndef EBB_WORKLOADS_KMEANS_MODEL_LLOYD_SUMS_H_
#define EBB_WORKLOADS_KMEANS_MODEL_LLOYD_SUMS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "models/backend.h"
#include "models/batch.h"
#include "workloads/kmeans/model/nearest_centroids.h"

namespace ebb::workloads {

// The sums that examples are added to.
struct ClusterSums {
  std::span<float> differences;  // (clusters, features): of x - centroid.
  std::span<float> sizes;        // (clusters): the examples.
};

// Thread-compatible.
class LloydSums {
 public:
  // `backend` is not owned, computes in ordinary memory and outlives this.
  LloydSums(int64_t clusters, int64_t features, models::ComputeBackend* backend)
      : features_(features),
        backend_(*backend),
        search_(clusters, features, backend) {}

  // See NearestCentroids::Take. The centroids outlive the calls below.
  void Take(std::span<const float> centroids, std::span<const float> sizes) {
    centroids_ = centroids;
    search_.Take(centroids, sizes);
  }

  // Each example joins its nearest cluster. Adds their squared distances to
  // `inertia`. The errors of NearestCentroids::Find.
  absl::Status Add(const models::BatchView& batch, ClusterSums sums,
                   double* inertia);
  // The same of their distances alone; `found` learns the clusters.
  absl::Status Measure(const models::BatchView& batch, double* inertia,
                       NearestCentroids::Found found);
  // The clusters alone.
  absl::Status Find(const models::BatchView& batch,
                    NearestCentroids::Found found) {
    return search_.Find(batch, found);
  }
  // One example joins this cluster, whichever is nearest.
  void Join(const models::BatchView& batch, int64_t row, int64_t cluster,
            ClusterSums sums) const;

 private:
  const float* Centroid(int64_t cluster) const {
    return centroids_.data() + cluster * features_;
  }
  absl::Status AddSparse(const models::BatchView& batch, ClusterSums sums,
                         double* inertia);

  const int64_t features_;
  models::ComputeBackend& backend_;
  std::span<const float> centroids_;
  NearestCentroids search_;
  // For sparse examples.
  std::vector<int64_t> nearest_;
  std::vector<double> sum_;
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_MODEL_LLOYD_SUMS_H_

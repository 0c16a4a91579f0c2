#include "workloads/kmeans/model/lloyd_sums.h"

#include <algorithm>
#include <numeric>

#include "common/status_macros.h"

namespace ebb::workloads {

absl::Status LloydSums::Add(const models::BatchView& batch, ClusterSums sums,
                            double* inertia) {
  if (batch.is_sparse()) return AddSparse(batch, sums, inertia);
  double squares = 0;
  EBB_RETURN_IF_ERROR(search_.FindDense(
      batch, [&](int64_t begin, std::span<const int32_t> nearest) {
        backend_.AddDifferences(std::ssize(nearest), features_,
                                batch.dense.data() + begin * features_,
                                nearest.data(), centroids_.data(),
                                sums.differences.data(), &squares);
        for (const int32_t cluster : nearest) sums.sizes[cluster] += 1;
      }));
  *inertia += squares;
  return absl::OkStatus();
}

// Sums of one cluster are in double until its centroid was subtracted from
// them, once for each example: near the end little remains.
absl::Status LloydSums::AddSparse(const models::BatchView& batch,
                                  ClusterSums sums, double* inertia) {
  nearest_.clear();
  EBB_RETURN_IF_ERROR(search_.Find(batch, [&](int64_t row, int64_t cluster) {
    nearest_.push_back(cluster);
    *inertia += search_.SquaredDistance(batch, row, cluster);
  }));
  const models::CsrView& rows = batch.sparse;
  std::vector<int64_t> order(nearest_.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {},
                           [&](int64_t row) { return nearest_[row]; });
  for (size_t first = 0; first < order.size();) {
    const int64_t cluster = nearest_[order[first]];
    size_t end = first;
    sum_.assign(features_, 0);
    for (; end < order.size() && nearest_[order[end]] == cluster; ++end) {
      const int64_t row = order[end];
      for (int64_t e = rows.row_offsets[row]; e < rows.row_offsets[row + 1];
           ++e) {
        sum_[rows.columns[e]] += static_cast<double>(rows.values[e]);
      }
    }
    const auto joined = static_cast<double>(end - first);
    const float* const centroid = Centroid(cluster);
    float* const out = sums.differences.data() + cluster * features_;
    for (int64_t i = 0; i < features_; ++i) {
      out[i] += static_cast<float>(sum_[i] -
                                   joined * static_cast<double>(centroid[i]));
    }
    sums.sizes[cluster] += static_cast<float>(joined);
    first = end;
  }
  return absl::OkStatus();
}

absl::Status LloydSums::Measure(const models::BatchView& batch, double* inertia,
                                NearestCentroids::Found found) {
  return search_.Find(batch, [&](int64_t row, int64_t cluster) {
    *inertia += search_.SquaredDistance(batch, row, cluster);
    found(row, cluster);
  });
}

void LloydSums::Join(const models::BatchView& batch, int64_t row,
                     int64_t cluster, ClusterSums sums) const {
  sums.sizes[cluster] += 1;
  if (!batch.is_sparse()) {
    const auto nearest = static_cast<int32_t>(cluster);
    double squares = 0;
    backend_.AddDifferences(1, features_, batch.dense.data() + row * features_,
                            &nearest, centroids_.data(),
                            sums.differences.data(), &squares);
    return;
  }
  const float* const centroid = Centroid(cluster);
  float* const out = sums.differences.data() + cluster * features_;
  for (int64_t i = 0; i < features_; ++i) out[i] -= centroid[i];
  const models::CsrView& rows = batch.sparse;
  for (int64_t e = rows.row_offsets[row]; e < rows.row_offsets[row + 1]; ++e) {
    out[rows.columns[e]] += rows.values[e];
  }
}

}  // namespace ebb::workloads

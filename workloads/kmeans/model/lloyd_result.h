// The result of a run of Lloyd's K-Means, and its bytes
// (docs/formats/task-rows.md).
#ifndef EBB_WORKLOADS_KMEANS_MODEL_LLOYD_RESULT_H_
#define EBB_WORKLOADS_KMEANS_MODEL_LLOYD_RESULT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::workloads {

struct LloydResult {
  // The sum of the squared distances of all examples to their nearest
  // centroids.
  double inertia = 0;
  int64_t rounds = 0;
  bool converged = false;  // It ended by itself.
  // Centroids, (clusters, features), and behind them the examples of each
  // cluster.
  std::vector<float> values;

  std::string Encode() const;
  // DataLoss: the bytes are not such a result.
  static absl::StatusOr<LloydResult> Decode(absl::string_view bytes,
                                            int64_t clusters, int64_t features);
  static int64_t EncodedBytes(int64_t clusters, int64_t features);
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_MODEL_LLOYD_RESULT_H_

// Lloyd's K-Means in rounds (Lloyd 1982, "Least squares quantization in PCM").
//
// The job's flat vector is k centroids of `features` numbers each, and after
// them k sizes: the examples that joined each cluster in the round before. In a
// round each example adds x - c to the part of its nearest centroid c, and 1 to
// that cluster's size. So the sum of a round has what moves each centroid to
// the mean of its examples, once it is divided by the count.
//
// Partitions cut the vector anywhere: a count may lie in another partition than
// the sums that it divides. So each partition measures the counts that it has,
// and the operation brings all of them to every partition.
//
// A cluster of size 0 attracts no example in the next round. One example that
// the model draws joins it instead, and the centroid moves there.
//
// Pure.
#ifndef EBB_WORKLOADS_KMEANS_SERVER_LLOYD_H_
#define EBB_WORKLOADS_KMEANS_SERVER_LLOYD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/coordinator.h"

namespace ebb {

// Sums of whole numbers in float32 are exact up to here.
inline constexpr int64_t kMostLloydExamples = int64_t{1} << 24;

struct LloydOptions {
  // At least 1.
  int64_t clusters = 1;
  // The job ends when a round leaves the inertia as it was, but for this share
  // of it: at least 0. If clusters are empty, several rounds must.
  double tolerance = 0;

  // InvalidArgument, naming the option.
  absl::Status Validate() const;
};

// Places in what a partition measures. It sends less: see PackLloydFigures.
struct LloydFigures {
  // The inertia: the sum of the squared distances of the round's examples to
  // their nearest centroids. Whole, not a part.
  static constexpr size_t kInertia = 0;
  // From here on, the examples that joined each cluster.
  static constexpr size_t kCounts = 1;

  static size_t Count(const LloydOptions& options) {
    return kCounts + static_cast<size_t>(options.clusters);
  }
};

struct LloydOperation {
  int64_t round = 0;
  // At the values that the round's examples were computed from.
  double inertia = 0;
  // By cluster.
  std::vector<int64_t> counts;
  // The job ends with this round.
  bool ends = false;
  // Rounds up to this one, in a row, that left the inertia as it was.
  int64_t steady = 0;

  bool HasEmpty() const;

  std::string Encode() const;
  // DataLoss: it is not an operation; InvalidArgument: it has other options.
  static absl::StatusOr<LloydOperation> Decode(absl::string_view bytes,
                                               const LloydOptions& options);
  friend bool operator==(const LloydOperation&,
                         const LloydOperation&) = default;
};

// Leaves only the inertia, the number of the first cluster of which the
// partition has examples, and the counts from there to the last such cluster;
// without any, the inertia alone. So all partitions together send each count
// once.
void PackLloydFigures(std::vector<double>* figures);
// Adds up the counts of all partitions. InvalidArgument: some are not what
// partitions pack.
absl::StatusOr<std::vector<double>> UnpackLloydFigures(
    const LloydOptions& options,
    const std::vector<std::vector<double>>& packed);

// The operation of a round. `before` is null in round 0. `figures` are the sums
// over the partitions but for the inertia.
LloydOperation NextLloydOperation(const LloydOptions& options, int64_t round,
                                  const LloydOperation* before,
                                  const std::vector<double>& figures);

std::unique_ptr<const Coordinator> MakeLloydCoordinator(
    const LloydOptions& options);

// A run of the flat vector.
struct LloydRun {
  int64_t first = 0;       // Its place.
  int64_t parameters = 0;  // The length of the whole vector.
  std::span<const float> values;
  std::span<const float> sum;  // It has the same length.
};

// Adds what the run contributes to all figures but the inertia.
void AddLloydFigures(const LloydOptions& options, const LloydRun& run,
                     std::span<double> figures);
// Writes the values after the round to `out`, which is as long as the run.
void ApplyLloyd(const LloydOperation& operation, const LloydRun& run,
                std::span<float> out);

}  // namespace ebb

#endif  // EBB_WORKLOADS_KMEANS_SERVER_LLOYD_H_

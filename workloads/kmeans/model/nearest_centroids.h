// Which of k centroids is nearest to each example of a batch.
//
// |x - c|^2 / 2 is |x|^2 / 2, which is the same for all c, and |c|^2 / 2 - x c,
// whose products are those of two matrices. Where rounding may hide which
// centroid is nearest, the distances in double decide. So the result is that of
// the distances themselves.
#ifndef EBB_WORKLOADS_KMEANS_MODEL_NEAREST_CENTROIDS_H_
#define EBB_WORKLOADS_KMEANS_MODEL_NEAREST_CENTROIDS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "models/backend.h"
#include "models/batch.h"

namespace ebb::workloads {

// Keeps the memory that the last batch needed. Thread-compatible.
class NearestCentroids {
 public:
  // `backend` is not owned, computes in ordinary memory and outlives this.
  NearestCentroids(int64_t clusters, int64_t features,
                   models::ComputeBackend* backend)
      : clusters_(clusters), features_(features), backend_(*backend) {}

  // From now on these are the centroids: (clusters, features), row after row.
  // Centroids whose size is 0 attract no example; empty: all do. Cheap if they
  // are the same as before.
  void Take(std::span<const float> centroids, std::span<const float> sizes);

  // Learns the number of the nearest centroid of an example: of several that
  // are as near, the first.
  using Found = absl::FunctionRef<void(int64_t row, int64_t nearest)>;
  // Calls it for each example, in order, while the processor's cache has the
  // example. InvalidArgument: the batch has other features.
  absl::Status Find(const models::BatchView& batch, Found found);
  // The same for dense examples, some at a time: those from `begin` on.
  using FoundSome =
      absl::FunctionRef<void(int64_t begin, std::span<const int32_t> nearest)>;
  absl::Status FindDense(const models::BatchView& batch, FoundSome found);
  // The squared distance of an example of the last batch to the centroid: of a
  // sparse one in time that its entries take, unless it is so near that
  // rounding would be much of it.
  double SquaredDistance(const models::BatchView& batch, int64_t row,
                         int64_t cluster) const;

 private:
  enum class For : uint8_t { kNothing, kDense, kSparse };

  absl::Status Check(const models::BatchView& batch) const;
  void PrepareFor(For examples);
  void ChooseOrigin();
  void TurnCentroids();
  const float* FromOrigin() const;
  void FindInBlocks(const models::BatchView& batch, FoundSome found);
  // Returns whether one pass over the examples finds the nearest.
  bool InOnePass() const;
  // Fills `nearest_` for so many examples from the origin, -1 where rounding
  // may hide which it is. Without InOnePass also `products_`.
  void Screen(int64_t rows, const float* examples);
  // Returns the nearest to the one in this row of those.
  int32_t Decide(int64_t rows, int64_t row, const float* moved,
                 const float* example);
  // Fills, for so many examples from the origin, `products_`, (clusters, rows).
  void MultiplyDense(int64_t rows, const float* examples);
  // By the products: `nearest_`.
  void ScreenProducts(int64_t rows, std::span<const float> lengths);
  void FindSparse(const models::BatchView& batch, Found found);
  // The nearest of those that may be, by the products of the example with each
  // centroid (`stride` apart), sums of so many terms, and the example's length,
  // all from the origin. The distances may lack what is the same for all
  // centroids, unless they are to be exact.
  using DistanceTo = absl::FunctionRef<double(int64_t cluster, bool exact)>;
  int64_t NearestOf(const float* products, int64_t stride, float length,
                    int64_t terms, DistanceTo distance_to) const;
  // Returns whether the centroid is nearer than another one, which is that far.
  bool IsNearer(int64_t cluster, double distance, int64_t other,
                double other_distance, float length,
                DistanceTo distance_to) const;

  const int64_t clusters_;
  const int64_t features_;
  models::ComputeBackend& backend_;

  std::vector<float> centroids_;
  std::vector<bool> empty_;  // By cluster.

  // --- Of these centroids, for one kind of examples --------------------------
  For ready_ = For::kNothing;
  // The origin of the products: 0 (then it is empty), or near dense examples,
  // where float32 would lose the distances in the products. A function of the
  // centroids, so that all workers compute the same bits.
  std::vector<float> origin_;
  std::vector<float> moved_centroids_;  // From the origin, if it is not 0.
  std::vector<double> squares_;      // Squares of the lengths, from the origin.
  std::vector<float> half_squares_;  // Infinite for an empty cluster.
  std::vector<float> lengths_;       // 0 for an empty cluster.
  float longest_ = 0;                // The largest of these.
  std::vector<float> columns_;  // (features, clusters), for sparse examples.

  // --- Of the last batch -----------------------------------------------------
  std::vector<float> moved_examples_;
  std::vector<float> products_;
  std::vector<float> example_products_;  // (rows, clusters).
  std::vector<float> example_lengths_;
  std::vector<float> slack_;
  std::vector<int32_t> nearest_;
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_MODEL_NEAREST_CENTROIDS_H_

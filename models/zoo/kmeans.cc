// K-Means: the loss of an example is the squared distance to the nearest of k
// centroids, so that the sum over all is the inertia. It pushes the sums
// of Lloyd's rounds (algorithms/lloyd/lloyd.h), or steps of its batches
// (Sculley 2010, "Web-scale k-means clustering"), which servers add.
//
// In rounds:
// a cluster whose size is 0 attracts no example. It takes one of the first
// examples of shard 0 instead, beside that example's own cluster. The order of
// the data is a permutation of all examples that the seed and the epoch decide,
// so this is an example drawn from all of them, and the same one whatever died.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "Eigen/Core"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/backends.h"
#include "models/model.h"
#include "models/nearest_centroids.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

using Values = Eigen::Map<const Eigen::ArrayXf>;

class KMeans final : public Model {
 public:
  // `backend` computes in ordinary memory.
  KMeans(const ModelConfig& config, ComputeBackend* backend,
         std::unique_ptr<ComputeBackend> own)
      : clusters_(config.clusters),
        features_(config.features),
        batches_at_once_(config.batches_at_once),
        own_(std::move(own)),
        search_(clusters_, features_, backend) {
    // Before the first round no cluster counts as empty.
    const float first_size = InRounds() ? 1 : 0;
    description_.tables = {
        {"centroids", {clusters_, features_}, InitRule::Zeros(), false},
        {"sizes", {clusters_}, InitRule::Constant(first_size), false}};
    description_.features = features_;
    description_.outputs = 1;
    description_.labels = LabelKind::kNone;
  }

  const ModelDescription& description() const override { return description_; }

  absl::Status Gradient(std::span<const float> params, const BatchView& batch,
                        std::span<float> grad, BatchStats* stats) override {
    EBB_RETURN_IF_ERROR(CheckGradientSize(params, grad));
    std::ranges::fill(grad, 0.0f);
    *stats = {.examples = batch.rows};
    std::vector<int64_t> nearest;
    EBB_RETURN_IF_ERROR(
        FindNearest(params, batch, [&](int64_t row, int64_t cluster) {
          if (batch.is_sparse()) {
            nearest.push_back(cluster);
          } else {
            stats->loss_sum += Join(params, batch, row, cluster, grad);
          }
        }));
    if (batch.is_sparse()) {
      stats->loss_sum = JoinSparse(params, batch, nearest, grad);
    }
    if (!InRounds()) {
      ScaleToSteps(params, grad);
    } else if (batch.shard == 0) {
      FillEmpty(params, batch, grad);
    }
    if (!std::isfinite(stats->loss_sum)) {
      return absl::OutOfRangeError("the distances are not finite");
    }
    return absl::OkStatus();
  }

  absl::Status Evaluate(std::span<const float> params, const BatchView& batch,
                        BatchStats* stats) override {
    *stats = {.examples = batch.rows};
    return FindNearest(params, batch, [&](int64_t row, int64_t cluster) {
      stats->loss_sum += SquaredDistance(params, batch, row, cluster);
    });
  }

  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const BatchView& batch, BatchStats* stats,
                                  std::vector<float>* outputs) override {
    *stats = {.examples = batch.rows};
    outputs->clear();
    return FindNearest(params, batch, [&](int64_t row, int64_t cluster) {
      stats->loss_sum += SquaredDistance(params, batch, row, cluster);
      outputs->push_back(static_cast<float>(cluster));
    });
  }

  absl::Status Predict(std::span<const float> params, const BatchView& batch,
                       std::vector<float>* outputs) override {
    outputs->clear();
    return FindNearest(params, batch, [&](int64_t, int64_t cluster) {
      outputs->push_back(static_cast<float>(cluster));
    });
  }

 private:
  // Else each push is a step of its own.
  bool InRounds() const { return batches_at_once_ == 0; }
  Values Example(const BatchView& batch, int64_t row) const {
    return {batch.dense.data() + row * features_, features_};
  }
  Values Centroid(std::span<const float> params, int64_t cluster) const {
    return {params.data() + cluster * features_, features_};
  }
  std::span<const float> Sizes(std::span<const float> params) const {
    return params.subspan(clusters_ * features_);
  }

  absl::Status FindNearest(std::span<const float> params,
                           const BatchView& batch,
                           NearestCentroids::Found found) {
    EBB_RETURN_IF_ERROR(
        CheckParameterCount(params, description_.ParameterCount()));
    search_.Take(params.first(clusters_ * features_),
                 InRounds() ? Sizes(params) : std::span<const float>());
    return search_.Find(batch, found);
  }

  // Adds the example to the sum and size of the cluster, and returns its
  // squared distance.
  double Join(std::span<const float> params, const BatchView& batch,
              int64_t row, int64_t cluster, std::span<float> grad) const {
    Eigen::Map<Eigen::ArrayXf> sum(grad.data() + cluster * features_,
                                   features_);
    const auto difference = Example(batch, row) - Centroid(params, cluster);
    sum += difference;
    grad[clusters_ * features_ + cluster] += 1;
    return difference.square().sum();
  }

  // The same for all examples. Sums of one cluster are in double until its
  // centroid was subtracted from them, once for each example: near the end
  // little remains.
  double JoinSparse(std::span<const float> params, const BatchView& batch,
                    std::span<const int64_t> nearest, std::span<float> grad) {
    std::vector<int64_t> order(nearest.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {},
                             [&](int64_t row) { return nearest[row]; });
    double loss_sum = 0;
    for (size_t first = 0; first < order.size();) {
      const int64_t cluster = nearest[order[first]];
      size_t end = first;
      sum_ = Eigen::ArrayXd::Zero(features_);
      for (; end < order.size() && nearest[order[end]] == cluster; ++end) {
        AddRow(batch.sparse, order[end]);
        loss_sum += SquaredDistance(params, batch, order[end], cluster);
      }
      const auto joined = static_cast<double>(end - first);
      Eigen::Map<Eigen::ArrayXf>(grad.data() + cluster * features_, features_) =
          (sum_ - joined * Centroid(params, cluster).cast<double>())
              .cast<float>();
      grad[clusters_ * features_ + cluster] = static_cast<float>(joined);
      first = end;
    }
    return loss_sum;
  }

  void AddRow(const CsrView& rows, int64_t row) {
    for (int64_t e = rows.row_offsets[row]; e < rows.row_offsets[row + 1];
         ++e) {
      sum_[rows.columns[e]] += static_cast<double>(rows.values[e]);
    }
  }

  double SquaredDistance(std::span<const float> params, const BatchView& batch,
                         int64_t row, int64_t cluster) const {
    if (!batch.is_sparse()) {
      return (Example(batch, row) - Centroid(params, cluster)).square().sum();
    }
    const CsrView& rows = batch.sparse;
    const Values centroid = Centroid(params, cluster);
    double distance = search_.SquareOf(cluster);
    const int64_t end = rows.row_offsets[row + 1];
    for (int64_t e = rows.row_offsets[row]; e < end;) {
      const int32_t column = rows.columns[e];
      double x = 0;
      for (; e < end && rows.columns[e] == column; ++e) {
        x += static_cast<double>(rows.values[e]);
      }
      distance += x * (x - 2 * static_cast<double>(centroid[column]));
    }
    return std::max(0.0, distance);
  }

  // One example, of those that the batch has, joins each empty cluster.
  void FillEmpty(std::span<const float> params, const BatchView& batch,
                 std::span<float> grad) const {
    int64_t row = -batch.first_position;
    for (int64_t k = 0; k < clusters_; ++k) {
      if (Sizes(params)[k] != 0) continue;
      if (row >= 0 && row < batch.rows) Fill(params, batch, row, k, grad);
      ++row;
    }
  }

  void Fill(std::span<const float> params, const BatchView& batch, int64_t row,
            int64_t cluster, std::span<float> grad) const {
    if (!batch.is_sparse()) {
      Join(params, batch, row, cluster, grad);
      return;
    }
    Eigen::Map<Eigen::ArrayXf> sum(grad.data() + cluster * features_,
                                   features_);
    sum -= Centroid(params, cluster);
    const CsrView& rows = batch.sparse;
    for (int64_t e = rows.row_offsets[row]; e < rows.row_offsets[row + 1];
         ++e) {
      sum[rows.columns[e]] += rows.values[e];
    }
    grad[clusters_ * features_ + cluster] += 1;
  }

  // With n examples before it, an example moves its centroid by 1 / (n + 1) of
  // the way (Sculley 2010), and m of them in a row by their sum / (n + m). As
  // others may step at once from the same n, n + m of all of them counts.
  void ScaleToSteps(std::span<const float> params,
                    std::span<float> grad) const {
    for (int64_t k = 0; k < clusters_; ++k) {
      const float joined = grad[clusters_ * features_ + k];
      if (joined == 0) continue;
      const float others = static_cast<float>(batches_at_once_) * joined;
      Eigen::Map<Eigen::ArrayXf>(grad.data() + k * features_, features_) /=
          std::max(0.0f, Sizes(params)[k]) + others;
    }
  }

  const int64_t clusters_;
  const int64_t features_;
  const int64_t batches_at_once_;
  const std::unique_ptr<ComputeBackend> own_;
  ModelDescription description_;
  NearestCentroids search_;
  Eigen::ArrayXd sum_;
};

absl::StatusOr<std::unique_ptr<Model>> CreateKMeans(const ModelConfig& config,
                                                    ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"clusters"}));
  if (config.clusters < 1) {
    return ConfigError("model.clusters",
                       absl::StrCat(config.clusters, " is not at least 1"),
                       "clusters: 10");
  }
  if (config.clusters > (int64_t{1} << 31) / (config.features + 1)) {
    return ConfigError("model.clusters",
                       absl::StrCat(config.clusters, " centroids of ",
                                    config.features, " features are too many"));
  }
  EBB_RETURN_IF_ERROR(RefusePenalties(config, "kmeans has no gradient"));
  // Devices have memory of their own.
  std::unique_ptr<ComputeBackend> own;
  if (!backend->uses_host_memory()) {
    EBB_ASSIGN_OR_RETURN(own, CreateBackend({}));
    backend = own.get();
  }
  return std::make_unique<KMeans>(config, backend, std::move(own));
}

}  // namespace

absl::Status RegisterKmeans(Registry* registry) {
  return registry->Register("kmeans", "clusters around centroids",
                            CreateKMeans);
}

}  // namespace ebb::models::zoo

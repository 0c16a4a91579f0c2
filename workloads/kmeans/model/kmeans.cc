// K-Means: the loss of an example is the squared distance to the nearest of k
// centroids, so that the sum over all is the inertia. It pushes the sums
// of Lloyd's rounds (workloads/kmeans/server/lloyd.h), or steps of its batches
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
#include <span>
#include <utility>
#include <vector>

#include "Eigen/Core"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/task_rows.h"
#include "models/backends.h"
#include "models/model.h"
#include "models/registry.h"
#include "models/task_table_model.h"
#include "workloads/kmeans/model/lloyd_result.h"
#include "workloads/kmeans/model/lloyd_sums.h"

namespace ebb::workloads {
namespace {

using models::AddTaskTable;
using models::BatchStats;
using models::BatchView;
using models::CheckGradientSize;
using models::CheckOnlyUses;
using models::CheckParameterCount;
using models::ComputeBackend;
using models::ConfigError;
using models::CreateBackend;
using models::LabelKind;
using models::MakeTaskTableModel;
using models::Model;
using models::ModelConfig;
using models::ModelDescription;
using models::RefusePenalties;
using models::Registry;

class KMeans final : public Model {
 public:
  // `backend` computes in ordinary memory.
  KMeans(const ModelConfig& config, ComputeBackend* backend,
         std::unique_ptr<ComputeBackend> own)
      : clusters_(config.clusters),
        features_(config.features),
        batches_at_once_(config.batches_at_once),
        own_(std::move(own)),
        sums_(clusters_, features_, backend) {
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
    EBB_RETURN_IF_ERROR(Take(params));
    const ClusterSums out = {grad.first(clusters_ * features_), Sizes(grad)};
    EBB_RETURN_IF_ERROR(sums_.Add(batch, out, &stats->loss_sum));
    if (!InRounds()) {
      ScaleToSteps(params, grad);
    } else if (batch.shard == 0) {
      FillEmpty(params, batch, out);
    }
    if (!std::isfinite(stats->loss_sum)) {
      return absl::OutOfRangeError("the distances are not finite");
    }
    return absl::OkStatus();
  }

  absl::Status Evaluate(std::span<const float> params, const BatchView& batch,
                        BatchStats* stats) override {
    *stats = {.examples = batch.rows};
    EBB_RETURN_IF_ERROR(Take(params));
    return sums_.Measure(batch, &stats->loss_sum, [](int64_t, int64_t) {});
  }

  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const BatchView& batch, BatchStats* stats,
                                  std::vector<float>* outputs) override {
    *stats = {.examples = batch.rows};
    outputs->clear();
    EBB_RETURN_IF_ERROR(Take(params));
    return sums_.Measure(batch, &stats->loss_sum,
                         [&](int64_t, int64_t cluster) {
                           outputs->push_back(static_cast<float>(cluster));
                         });
  }

  absl::Status Predict(std::span<const float> params, const BatchView& batch,
                       std::vector<float>* outputs) override {
    outputs->clear();
    EBB_RETURN_IF_ERROR(Take(params));
    return sums_.Find(batch, [&](int64_t, int64_t cluster) {
      outputs->push_back(static_cast<float>(cluster));
    });
  }

 private:
  // Else each push is a step of its own.
  bool InRounds() const { return batches_at_once_ == 0; }
  template <typename Float>
  std::span<Float> Sizes(std::span<Float> values) const {
    return values.subspan(clusters_ * features_);
  }

  absl::Status Take(std::span<const float> params) {
    EBB_RETURN_IF_ERROR(
        CheckParameterCount(params, description_.ParameterCount()));
    sums_.Take(params.first(clusters_ * features_),
               InRounds() ? Sizes(params) : std::span<const float>());
    return absl::OkStatus();
  }

  // One example, of those that the batch has, joins each empty cluster.
  void FillEmpty(std::span<const float> params, const BatchView& batch,
                 ClusterSums out) const {
    int64_t row = -batch.first_position;
    for (int64_t k = 0; k < clusters_; ++k) {
      if (Sizes(params)[k] != 0) continue;
      if (row >= 0 && row < batch.rows) sums_.Join(batch, row, k, out);
      ++row;
    }
  }

  // With n examples before it, an example moves its centroid by 1 / (n + 1) of
  // the way (Sculley 2010), and m of them in a row by their sum / (n + m). As
  // others may step at once from the same n, n + m of all of them counts.
  void ScaleToSteps(std::span<const float> params,
                    std::span<float> grad) const {
    for (int64_t k = 0; k < clusters_; ++k) {
      const float joined = Sizes(grad)[k];
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
  LloydSums sums_;
};

// Restarts are tasks (docs/decisions/0029-other-workloads.md).
std::unique_ptr<Model> MakeRestarts(int64_t features) {
  ModelDescription description;
  AddTaskTable("runs", &description);
  description.features = features;
  description.outputs = 1;
  description.labels = LabelKind::kNone;
  return MakeTaskTableModel(std::move(description));
}

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
  if (config.restarts > 0) {
    const int64_t bytes =
        LloydResult::EncodedBytes(config.clusters, config.features);
    if (bytes > kMostTaskBytes) {
      return ConfigError(
          "model.restarts",
          absl::StrCat("a run of ", config.clusters, " centroids of ",
                       config.features, " features has ", bytes,
                       " bytes, at most ", kMostTaskBytes, " are possible"),
          "leave restarts out, or fewer clusters");
    }
    return MakeRestarts(config.features);
  }
  // Devices have memory of their own.
  std::unique_ptr<ComputeBackend> own;
  if (!backend->uses_host_memory()) {
    EBB_ASSIGN_OR_RETURN(own, CreateBackend({}));
    backend = own.get();
  }
  return std::make_unique<KMeans>(config, backend, std::move(own));
}

}  // namespace

absl::Status RegisterKmeansModel(Registry* registry) {
  return registry->Register("kmeans", "clusters around centroids",
                            CreateKMeans);
}

}  // namespace ebb::workloads

#include "worker/task_maker.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/base/traits.h"
#include "models/forest/binned_features.h"
#include "models/forest/tree.h"
#include "worker/lloyd_runs.h"

namespace ebb::worker {

namespace {

using models::forest::BinnedFeatures;
using models::forest::GrowthOptions;
using models::forest::TreeGrower;

class TreeMaker final : public TaskMaker {
 public:
  TreeMaker(const GrowthOptions& options, BinnedFeatures features,
            std::vector<float> labels)
      : features_(std::move(features)),
        labels_(std::move(labels)),
        grower_(options, &features_, labels_) {}

  absl::StatusOr<TaskResult> Make(int64_t task,
                                  absl::FunctionRef<void()> /*step*/) override {
    return TaskResult{models::forest::EncodeTree(grower_.Grow(task))};
  }
  int64_t memory_bytes() const override {
    return features_.memory_bytes() +
           static_cast<int64_t>(labels_.size() * sizeof(float));
  }

 private:
  const BinnedFeatures features_;
  const std::vector<float> labels_;
  TreeGrower grower_;
};

}  // namespace

GrowthOptions GrowthOptionsOf(const v1::Job& job, const data::Index& train) {
  const v1::Model& model = job.model();
  GrowthOptions options;
  options.seed = job.seed();
  options.classes = static_cast<int64_t>(train.classes.size());
  options.depth = model.depth();
  options.leaf_examples = std::max<int64_t>(1, model.leaf_examples());
  const int64_t root =
      static_cast<int64_t>(std::sqrt(static_cast<double>(train.features)));
  const int64_t by_default =
      options.classes > 0 ? std::max<int64_t>(1, root) : train.features;
  options.split_features = std::min(train.features, model.has_split_features()
                                                        ? model.split_features()
                                                        : by_default);
  options.bootstrap = model.bootstrap();
  return options;
}

int64_t TaskBytes(const v1::Job& job, const data::Index& train, int64_t bytes) {
  if (job::HasRestarts(job)) return bytes + LloydRunBytes(job, train);
  // The intervals of the features, and the labels.
  return bytes + train.examples *
                     (train.features + static_cast<int64_t>(sizeof(float)));
}

absl::StatusOr<std::unique_ptr<TaskMaker>> CreateTaskMaker(
    const v1::Job& job, const data::Dataset& train,
    models::ComputeBackend* backend) {
  if (job::HasRestarts(job)) return CreateLloydRuns(job, train, backend);
  if (!job::TraitsOf(job.model()).forest()) return nullptr;
  if (train.sparse() || train.keyed()) {
    return absl::InvalidArgumentError("a forest takes dense examples");
  }
  auto features = BinnedFeatures::Create(
      train.examples(), train.features(), job.model().bins(),
      [&](int64_t first, int64_t count, std::span<float> to) {
        return train.GatherColumns(first, count, to);
      });
  EBB_RETURN_IF_ERROR(features.status());
  const std::span<const float> labels = train.labels();
  return std::make_unique<TreeMaker>(
      GrowthOptionsOf(job, train.index()), *std::move(features),
      std::vector<float>(labels.begin(), labels.end()));
}

}  // namespace ebb::worker

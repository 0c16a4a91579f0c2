// The workers' side of forests: each tree is a task.
#include "workloads/seam/worker/worker.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "workloads/forest/model/binned_features.h"
#include "workloads/forest/model/forest.h"
#include "workloads/forest/model/tree.h"
#include "workloads/forest/model/tree_grower.h"
#include "workloads/forest/worker/exported_forest.h"
#include "workloads/forest/worker/growth_options.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

using forest::BinnedFeatures;
using forest::GrowthOptions;
using forest::TreeGrower;

class TreeMaker final : public TaskMaker {
 public:
  TreeMaker(const GrowthOptions& options, BinnedFeatures features,
            std::vector<float> labels)
      : features_(std::move(features)),
        labels_(std::move(labels)),
        grower_(options, &features_, labels_) {}

  absl::StatusOr<TaskResult> Make(int64_t task,
                                  absl::FunctionRef<void()> /*step*/) override {
    return TaskResult{forest::EncodeTree(grower_.Grow(task))};
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

class ForestWorker final : public WorkerSide {
 public:
  // The intervals of the features, and the labels.
  int64_t TaskBytes(const v1::Job& /*job*/,
                    const data::Index& train) const override {
    return train.examples *
           (train.features + static_cast<int64_t>(sizeof(float)));
  }

  absl::StatusOr<Work> Prepare(const WorkInput& input) const override {
    Work work;
    if (FactsOf(input.job).tasks == 0) return work;
    const data::Dataset& train = input.train;
    if (train.sparse() || train.keyed()) {
      return absl::InvalidArgumentError("a forest takes dense examples");
    }
    auto features = BinnedFeatures::Create(
        train.examples(), train.features(), input.job.model().bins(),
        [&](int64_t first, int64_t count, std::span<float> to) {
          return train.GatherColumns(first, count, to);
        });
    EBB_RETURN_IF_ERROR(features.status());
    const std::span<const float> labels = train.labels();
    work.tasks = std::make_unique<TreeMaker>(
        GrowthOptionsOf(input.job, train.index()), *std::move(features),
        std::vector<float>(labels.begin(), labels.end()));
    return work;
  }

  absl::StatusOr<bool> ReadExport(
      const TensorFileView& file,
      worker::ExportedModel* stored) const override {
    EBB_ASSIGN_OR_RETURN(ForestPtr forest, ReadForest(file, stored->index));
    stored->assembled = std::make_shared<AssembledForest>(std::move(forest));
    return true;
  }

  absl::StatusOr<std::unique_ptr<models::Model>> ModelOf(
      const worker::ExportedModel& stored,
      const models::ModelConfig& config) const override {
    if (stored.assembled == nullptr) return nullptr;
    const auto& forest = static_cast<const AssembledForest&>(*stored.assembled);
    return forest::MakeForestModel(config, forest.trees);
  }
};

}  // namespace

void RegisterForestWorker(WorkerSides* sides) {
  sides->Add("forest", std::make_unique<ForestWorker>());
}

}  // namespace ebb::workloads

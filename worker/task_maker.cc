#include "worker/task_maker.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/traits.h"
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

// Reads columns of the data, part after part.
class Columns {
 public:
  explicit Columns(const data::Dataset* train) : train_(*train) {}

  absl::Status Read(int64_t first, int64_t count, std::span<float> columns) {
    constexpr int64_t kAtOnce = 1024;
    const int64_t rows = train_.examples();
    labels_.clear();
    for (int64_t begin = 0; begin < rows; begin += kAtOnce) {
      numbers_.resize(std::min(kAtOnce, rows - begin));
      std::iota(numbers_.begin(), numbers_.end(), begin);
      EBB_RETURN_IF_ERROR(train_.Gather(numbers_, &batch_));
      for (int64_t f = 0; f < count; ++f) {
        const float* from = batch_.values.data() + first + f;
        float* const to = columns.data() + f * rows + begin;
        for (int64_t row = 0; row < batch_.rows; ++row) {
          to[row] = from[row * batch_.features];
        }
      }
      labels_.insert(labels_.end(), batch_.labels.begin(), batch_.labels.end());
    }
    return absl::OkStatus();
  }
  // After the last call.
  std::vector<float> labels() && { return std::move(labels_); }

 private:
  const data::Dataset& train_;
  std::vector<int64_t> numbers_;
  data::ExampleBatch batch_;
  std::vector<float> labels_;
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
  Columns columns(&train);
  auto features = BinnedFeatures::Create(
      train.examples(), train.features(), job.model().bins(),
      [&](int64_t first, int64_t count, std::span<float> to) {
        return columns.Read(first, count, to);
      });
  EBB_RETURN_IF_ERROR(features.status());
  return std::make_unique<TreeMaker>(GrowthOptionsOf(job, train.index()),
                                     *std::move(features),
                                     std::move(columns).labels());
}

}  // namespace ebb::worker

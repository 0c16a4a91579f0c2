// Trees are tasks (tree_grower.h), so the model of a job that grows a forest
// only says where its trees are stored.
#include "workloads/forest/model/forest.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/registry.h"
#include "models/task_table_model.h"

namespace ebb::workloads::forest {

absl::Status Forest::Add(int64_t number, absl::string_view bytes) {
  auto tree = DecodeTree(bytes, features_, classes_);
  if (!tree.ok()) {
    return absl::Status(
        tree.status().code(),
        absl::StrCat("tree ", number, ": ", tree.status().message()));
  }
  Add(number, *std::move(tree));
  return absl::OkStatus();
}

void Forest::Add(int64_t number, Tree tree) {
  trees_.push_back(std::move(tree));
  numbers_.push_back(number);
}

void Forest::AddTree(const Tree& tree, const float* example,
                     std::span<double> out) const {
  const Tree::Node& leaf = tree.LeafOf(example);
  if (classes_ == 0) {
    out[0] += leaf.value;
    return;
  }
  for (int32_t i = leaf.first; i < leaf.last; ++i) {
    out[tree.counts[i].label] += static_cast<double>(tree.counts[i].count) /
                                 static_cast<double>(leaf.examples);
  }
}

void Forest::Predict(const float* example, std::span<float> out) const {
  std::vector<double> sums(outputs());
  for (const Tree& tree : trees_) AddTree(tree, example, sums);
  const double trees = std::max<double>(1, static_cast<double>(trees_.size()));
  for (size_t i = 0; i < sums.size(); ++i) {
    out[i] = static_cast<float>(sums[i] / trees);
  }
}

std::vector<double> Forest::Importances() const {
  std::vector<double> sums(features_);
  for (const Tree& tree : trees_) {
    double all = 0;
    for (const Tree::Node& node : tree.nodes) all += node.gain;
    if (all == 0) continue;
    for (const Tree::Node& node : tree.nodes) {
      if (!node.is_leaf()) sums[node.feature] += node.gain / all;
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  if (total == 0) return sums;
  for (double& sum : sums) sum /= total;
  return sums;
}

namespace {

using models::AddTaskTable;
using models::BatchStats;
using models::BatchView;
using models::CheckOnlyUses;
using models::ConfigError;
using models::LabelKind;
using models::MakeTaskTableModel;
using models::Model;
using models::ModelConfig;
using models::ModelDescription;
using models::RefusePenalties;

class ForestModel final : public Model {
 public:
  ForestModel(ModelDescription description,
              std::shared_ptr<const Forest> forest)
      : forest_(std::move(forest)), description_(std::move(description)) {}

  const ModelDescription& description() const override { return description_; }

  absl::Status Gradient(std::span<const float> /*params*/,
                        const BatchView& /*batch*/, std::span<float> /*grad*/,
                        BatchStats* /*stats*/) override {
    return absl::UnimplementedError("a forest has no gradient");
  }
  absl::Status Evaluate(std::span<const float> params, const BatchView& batch,
                        BatchStats* stats) override {
    return EvaluateAndPredict(params, batch, stats, &scratch_);
  }
  // The loss of classes is that of softmax models: of a class that no tree
  // expects, it is that of the smallest probability that figures know.
  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const BatchView& batch, BatchStats* stats,
                                  std::vector<float>* outputs) override {
    EBB_RETURN_IF_ERROR(Predict(params, batch, outputs));
    *stats = {.examples = batch.rows};
    const int64_t each = description_.outputs;
    for (int64_t row = 0; row < batch.rows; ++row) {
      const std::span<const float> out =
          std::span(*outputs).subspan(row * each, each);
      if (description_.classes == 0) {
        const double error = batch.labels[row] - out[0];
        stats->loss_sum += error * error / 2;
        continue;
      }
      constexpr float kLeast = 1e-15F;
      const auto label = static_cast<size_t>(batch.labels[row]);
      stats->loss_sum -= std::log(std::max(kLeast, out[label]));
      const auto best = std::ranges::max_element(out) - out.begin();
      if (static_cast<size_t>(best) == label) ++stats->correct;
    }
    return absl::OkStatus();
  }

  absl::Status Predict(std::span<const float> /*params*/,
                       const BatchView& batch,
                       std::vector<float>* outputs) override {
    if (forest_->trees().empty()) {
      return absl::FailedPreconditionError("the forest has no trees yet");
    }
    if (batch.is_sparse() || batch.is_keyed() ||
        batch.features != description_.features ||
        std::ssize(batch.dense) != batch.rows * batch.features) {
      return absl::InvalidArgumentError(
          absl::StrCat("a forest takes dense examples of ",
                       description_.features, " features"));
    }
    const int64_t each = description_.outputs;
    outputs->resize(batch.rows * each);
    for (int64_t row = 0; row < batch.rows; ++row) {
      forest_->Predict(batch.dense.data() + row * batch.features,
                       std::span(*outputs).subspan(row * each, each));
    }
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const Forest> forest_;
  const ModelDescription description_;
  std::vector<float> scratch_;
};

absl::StatusOr<ModelDescription> DescriptionOf(const ModelConfig& config) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {}));
  EBB_RETURN_IF_ERROR(RefusePenalties(config, "a forest has no gradient"));
  if (config.classes == 1) {
    return ConfigError("data.train", "has only one class",
                       "choose another label");
  }
  constexpr int64_t kMostClasses = 65535;
  if (config.classes > kMostClasses) {
    return ConfigError("data.train",
                       absl::StrCat("has ", config.classes,
                                    " classes, and a forest tells up to ",
                                    kMostClasses, " apart"),
                       "model: {labels: values}");
  }
  ModelDescription description;
  AddTaskTable("trees", &description);
  description.features = config.features;
  description.outputs = std::max<int64_t>(1, config.classes);
  description.classes = config.classes;
  description.labels =
      config.classes > 0 ? LabelKind::kClass : LabelKind::kValue;
  return description;
}

absl::StatusOr<std::unique_ptr<Model>> MakeGrowingForest(
    const ModelConfig& config, models::ComputeBackend* /*backend*/) {
  EBB_ASSIGN_OR_RETURN(ModelDescription description, DescriptionOf(config));
  return MakeTaskTableModel(std::move(description));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeForestModel(
    const ModelConfig& config, std::shared_ptr<const Forest> forest) {
  EBB_ASSIGN_OR_RETURN(ModelDescription description, DescriptionOf(config));
  return std::make_unique<ForestModel>(std::move(description),
                                       std::move(forest));
}

}  // namespace ebb::workloads::forest

namespace ebb::workloads {

absl::Status RegisterForestModel(models::Registry* registry) {
  return registry->Register("forest", "a random forest of decision trees",
                            forest::MakeGrowingForest);
}

}  // namespace ebb::workloads

#include "models/forest/forest.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/row_kind.h"
#include "common/status_macros.h"
#include "common/task_rows.h"

namespace ebb::models::forest {

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

class ForestModel final : public Model {
 public:
  ForestModel(const ModelConfig& config, std::shared_ptr<const Forest> forest)
      : forest_(std::move(forest)) {
    SparseTableShape& trees = description_.sparse_tables.emplace_back();
    trees.name = "trees";
    trees.width = kTaskRowBytes;
    trees.kind = RowKind::kWriteOnce;
    description_.features = config.features;
    description_.outputs = std::max<int64_t>(1, config.classes);
    description_.classes = config.classes;
    description_.labels =
        config.classes > 0 ? LabelKind::kClass : LabelKind::kValue;
  }

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
    if (forest_ == nullptr || forest_->trees().empty()) {
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
  const std::shared_ptr<const Forest> forest_;  // Null: it is not known.
  ModelDescription description_;
  std::vector<float> scratch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeForestModel(
    const ModelConfig& config, std::shared_ptr<const Forest> forest) {
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
  return std::make_unique<ForestModel>(config, std::move(forest));
}

}  // namespace ebb::models::forest

#include "models/forest/forest.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
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

absl::StatusOr<int64_t> PredictOutOfBag(
    const Forest& forest, const GrowthOptions& options, int64_t rows,
    const ReadExamples& read,
    const std::function<void(std::span<const float> labels,
                             std::span<const float> predictions)>& add) {
  constexpr int64_t kAtOnce = 4096;
  const int64_t outputs = forest.outputs();
  std::vector<std::vector<uint16_t>> drawn;
  std::vector<double> sums(rows * outputs);
  std::vector<int32_t> votes(rows);
  std::vector<float> features;
  std::vector<float> labels;
  std::vector<float> counted_labels;
  std::vector<float> predictions;
  int64_t counted = 0;
  // A few trees at once, so that their draws need not all be in memory.
  constexpr size_t kTreesAtOnce = 64;
  const size_t trees = forest.trees().size();
  for (size_t first = 0; first < trees; first += kTreesAtOnce) {
    const size_t last = std::min(trees, first + kTreesAtOnce);
    drawn.clear();
    for (size_t t = first; t < last; ++t) {
      drawn.push_back(DrawExamples(options, forest.numbers()[t], rows));
    }
    for (int64_t begin = 0; begin < rows; begin += kAtOnce) {
      const int64_t count = std::min(kAtOnce, rows - begin);
      EBB_RETURN_IF_ERROR(read(begin, count, &features, &labels));
      counted_labels.clear();
      predictions.clear();
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = begin + i;
        const std::span<double> sum =
            std::span(sums).subspan(row * outputs, outputs);
        for (size_t t = first; t < last; ++t) {
          if (drawn[t - first][row] > 0) continue;
          forest.AddTree(forest.trees()[t],
                         features.data() + i * forest.features(), sum);
          ++votes[row];
        }
        if (last < trees || votes[row] == 0) continue;
        counted_labels.push_back(labels[i]);
        for (const double one : sum) {
          predictions.push_back(static_cast<float>(one / votes[row]));
        }
      }
      counted += static_cast<int64_t>(counted_labels.size());
      if (!counted_labels.empty()) add(counted_labels, predictions);
    }
  }
  return counted;
}

namespace {

// What a tree predicts, and by how much that is wrong.
class TreeErrors {
 public:
  TreeErrors(const Forest& forest, const Tree& tree, double variance)
      : values_(forest.classes() == 0), tree_(tree), variance_(variance) {}

  double Of(const Tree::Node& leaf, float label) const {
    if (values_) {
      const double error = leaf.value - label;
      return variance_ > 0 ? error * error / variance_ : 0;
    }
    const auto first = tree_.counts.begin() + leaf.first;
    const auto last = tree_.counts.begin() + leaf.last;
    const auto most = std::max_element(
        first, last,
        [](const auto& a, const auto& b) { return a.count < b.count; });
    return static_cast<float>(most->label) == label ? 0 : 1;
  }

 private:
  const bool values_;
  const Tree& tree_;
  const double variance_;
};

// Some of the training examples, in memory.
struct Sample {
  std::vector<int64_t> rows;
  std::vector<float> features;
  std::vector<float> labels;
  double variance = 0;
};

// Which features the tree splits, in ascending order.
std::vector<int32_t> FeaturesOf(const Tree& tree) {
  std::set<int32_t> used;
  for (const Tree::Node& node : tree.nodes) {
    if (!node.is_leaf()) used.insert(node.feature);
  }
  return {used.begin(), used.end()};
}

// How many examples: each is sent down a tree once for each of its features.
int64_t SampleSize(const Forest& forest, int64_t rows) {
  constexpr double kSteps = 2e8;
  double steps = 1;
  for (const Tree& tree : forest.trees()) {
    const auto nodes = static_cast<double>(tree.nodes.size());
    // This share of the examples is not drawn.
    const double share = std::exp(-1);
    steps += share * static_cast<double>(FeaturesOf(tree).size()) *
             std::log2(nodes + 1);
  }
  constexpr int64_t kLeast = 50;
  return std::min(rows, std::max(kLeast, static_cast<int64_t>(kSteps / steps)));
}

absl::StatusOr<Sample> TakeSample(const Forest& forest, int64_t rows,
                                  const ReadExamples& read) {
  constexpr int64_t kAtOnce = 4096;
  const int64_t size = SampleSize(forest, rows);
  Sample sample;
  std::vector<float> features;
  std::vector<float> labels;
  double sum = 0, squares = 0;
  for (int64_t begin = 0; begin < rows; begin += kAtOnce) {
    const int64_t count = std::min(kAtOnce, rows - begin);
    EBB_RETURN_IF_ERROR(read(begin, count, &features, &labels));
    for (int64_t i = 0; i < count; ++i) {
      sum += labels[i];
      squares += static_cast<double>(labels[i]) * labels[i];
      // Evenly from all of them.
      const int64_t row = begin + i;
      if (row * size / rows == (row - 1) * size / rows && row > 0) continue;
      sample.rows.push_back(row);
      sample.labels.push_back(labels[i]);
      const float* const from = features.data() + i * forest.features();
      sample.features.insert(sample.features.end(), from,
                             from + forest.features());
    }
  }
  const auto all = static_cast<double>(rows);
  sample.variance = squares / all - sum * sum / all / all;
  return sample;
}

}  // namespace

absl::StatusOr<std::vector<double>> PermutationImportances(
    const Forest& forest, const GrowthOptions& options, int64_t rows,
    const ReadExamples& read) {
  EBB_ASSIGN_OR_RETURN(const Sample sample, TakeSample(forest, rows, read));
  const int64_t width = forest.features();
  std::vector<double> importances(width);
  std::vector<size_t> others;    // Examples that the tree did not learn from.
  std::vector<size_t> shuffled;  // The same.
  int64_t trees = 0;
  for (size_t t = 0; t < forest.trees().size(); ++t) {
    const Tree& tree = forest.trees()[t];
    const TreeErrors errors(forest, tree, sample.variance);
    const auto drawn = DrawExamples(options, forest.numbers()[t], rows);
    others.clear();
    double before = 0;
    for (size_t i = 0; i < sample.rows.size(); ++i) {
      if (drawn[sample.rows[i]] > 0) continue;
      others.push_back(i);
      before += errors.Of(tree.LeafOf(sample.features.data() + i * width),
                          sample.labels[i]);
    }
    if (others.empty()) continue;
    ++trees;
    for (const int32_t feature : FeaturesOf(tree)) {
      shuffled = others;
      const uint64_t state =
          HashAppend(HashAppend(Mix64(options.seed), static_cast<uint64_t>(t)),
                     static_cast<uint64_t>(feature));
      for (size_t i = shuffled.size(); i > 1; --i) {
        std::swap(shuffled[i - 1], shuffled[HashAppend(state, i) % i]);
      }
      double after = 0;
      for (size_t k = 0; k < others.size(); ++k) {
        const size_t i = others[k];
        after += errors.Of(
            tree.LeafOf(sample.features.data() + i * width, feature,
                        sample.features[shuffled[k] * width + feature]),
            sample.labels[i]);
      }
      importances[feature] +=
          (after - before) / static_cast<double>(others.size());
    }
  }
  for (double& one : importances) one /= std::max<double>(1, trees);
  return importances;
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

#include "workloads/forest/model/out_of_bag.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <utility>

#include "common/example_hash.h"
#include "common/status_macros.h"
#include "workloads/forest/model/tree.h"

namespace ebb::workloads::forest {

namespace {

// Predicts by a tree, and measures by how much that is wrong.
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

// A bit for each example and tree.
class Bits {
 public:
  explicit Bits(size_t trees) : words_((trees + 63) / 64) {}

  int64_t bytes_of_a_row() const {
    return static_cast<int64_t>(std::max<size_t>(1, words_) * sizeof(uint64_t));
  }
  void Clear(int64_t rows) { bits_.assign(rows * words_, 0); }
  void Set(int64_t row, size_t tree) {
    bits_[row * words_ + tree / 64] |= uint64_t{1} << tree % 64;
  }
  bool Has(int64_t row, size_t tree) const {
    return (bits_[row * words_ + tree / 64] >> tree % 64 & 1) != 0;
  }

 private:
  const size_t words_;
  std::vector<uint64_t> bits_;  // (rows, words).
};

// Some of the training examples, in memory.
struct Sample {
  explicit Sample(size_t trees) : out_of_bag(trees) {}

  std::vector<int64_t> rows;  // Ascending.
  std::vector<float> features;
  std::vector<float> labels;
  Bits out_of_bag;  // By their place here.
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
int64_t SampleSize(const Forest& forest, int64_t rows, int64_t bytes) {
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
  const int64_t by_memory =
      bytes / (forest.features() * static_cast<int64_t>(sizeof(float)));
  return std::min(
      rows, std::max(kLeast, std::min(by_memory,
                                      static_cast<int64_t>(kSteps / steps))));
}

// Evenly from all of them.
std::vector<int64_t> SampleRows(int64_t size, int64_t rows) {
  std::vector<int64_t> sample;
  for (int64_t row = 0; row < rows; ++row) {
    if (row == 0 || row * size / rows != (row - 1) * size / rows) {
      sample.push_back(row);
    }
  }
  return sample;
}

// The costs of shuffling. `variance` is that of the labels.
std::vector<double> ImportancesOf(const Forest& forest,
                                  const GrowthOptions& options,
                                  const Sample& sample, double variance) {
  const int64_t width = forest.features();
  std::vector<double> importances(width);
  std::vector<size_t> others;    // Examples that the tree did not learn from.
  std::vector<size_t> shuffled;  // The same.
  int64_t trees = 0;
  for (size_t t = 0; t < forest.trees().size(); ++t) {
    const Tree& tree = forest.trees()[t];
    const TreeErrors errors(forest, tree, variance);
    others.clear();
    double before = 0;
    for (size_t i = 0; i < sample.rows.size(); ++i) {
      if (!sample.out_of_bag.Has(static_cast<int64_t>(i), t)) continue;
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

}  // namespace

absl::StatusOr<OutOfBag> MeasureOutOfBag(
    const Forest& forest, const GrowthOptions& options, int64_t rows,
    const ReadExamples& read,
    const std::function<void(std::span<const float> labels,
                             std::span<const float> predictions)>& add,
    int64_t bytes) {
  const size_t trees = forest.trees().size();
  const int64_t width = forest.features();
  const int64_t outputs = forest.outputs();
  constexpr int64_t kFloatsAtOnce = int64_t{1} << 20;
  const int64_t at_once =
      std::clamp<int64_t>(kFloatsAtOnce / std::max(width, outputs), 1, 4096);
  Sample sample(trees);
  sample.rows = SampleRows(SampleSize(forest, rows, bytes), rows);
  sample.out_of_bag.Clear(std::ssize(sample.rows));
  Bits out_of_bag(trees);
  const int64_t block =
      std::clamp<int64_t>(bytes / out_of_bag.bytes_of_a_row(), 1, rows);
  OutOfBag measured;
  std::vector<float> features;
  std::vector<float> labels;
  std::vector<float> counted_labels;
  std::vector<float> predictions;
  std::vector<double> sums(outputs);
  double sum = 0, squares = 0;
  // Gathers the part [begin, begin + count), of a block that begins at `first`.
  const auto look = [&](int64_t first, int64_t begin, int64_t count) {
    EBB_RETURN_IF_ERROR(read(begin, count, &features, &labels));
    counted_labels.clear();
    predictions.clear();
    for (int64_t i = 0; i < count; ++i) {
      const float* const example = features.data() + i * width;
      sum += labels[i];
      squares += static_cast<double>(labels[i]) * labels[i];
      const size_t taken = sample.labels.size();
      if (taken < sample.rows.size() && sample.rows[taken] == begin + i) {
        sample.labels.push_back(labels[i]);
        sample.features.insert(sample.features.end(), example, example + width);
      }
      std::ranges::fill(sums, 0.0);
      int64_t votes = 0;
      for (size_t t = 0; t < trees; ++t) {
        if (!out_of_bag.Has(begin - first + i, t)) continue;
        forest.AddTree(forest.trees()[t], example, sums);
        ++votes;
      }
      if (votes == 0) continue;
      counted_labels.push_back(labels[i]);
      for (const double one : sums) {
        predictions.push_back(
            static_cast<float>(one / static_cast<double>(votes)));
      }
    }
    measured.examples += std::ssize(counted_labels);
    if (!counted_labels.empty()) add(counted_labels, predictions);
    return absl::OkStatus();
  };
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t last = std::min(rows, first + block);
    out_of_bag.Clear(last - first);
    for (size_t t = 0; t < trees; ++t) {
      const auto drawn = DrawExamples(options, forest.numbers()[t], rows);
      for (int64_t row = first; row < last; ++row) {
        if (drawn[row] == 0) out_of_bag.Set(row - first, t);
      }
      for (size_t i = 0; first == 0 && i < sample.rows.size(); ++i) {
        if (drawn[sample.rows[i]] > 0) continue;
        sample.out_of_bag.Set(static_cast<int64_t>(i), t);
      }
    }
    for (int64_t begin = first; begin < last; begin += at_once) {
      EBB_RETURN_IF_ERROR(look(first, begin, std::min(at_once, last - begin)));
    }
  }
  const auto all = static_cast<double>(rows);
  measured.importances = ImportancesOf(forest, options, sample,
                                       squares / all - sum * sum / all / all);
  return measured;
}

}  // namespace ebb::workloads::forest

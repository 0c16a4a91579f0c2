// Trees beside loops that say what they are.
#include "workloads/forest/model/forest.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workloads/forest/model/binned_features.h"
#include "workloads/forest/model/out_of_bag.h"
#include "workloads/forest/model/tree.h"
#include "workloads/forest/model/tree_grower.h"

namespace ebb::workloads::forest {
namespace {

using ::testing::HasSubstr;

// Rows of features, with labels.
struct Examples {
  int64_t rows() const { return static_cast<int64_t>(labels.size()); }
  const float* Row(int64_t row) const { return values.data() + row * features; }

  int64_t features = 0;
  std::vector<float> values;  // (rows, features).
  std::vector<float> labels;
};

// One of these features is constant, one has few values, and others have many.
Examples Draw(int64_t rows, int64_t classes, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Examples all{.features = 5};
  for (int64_t row = 0; row < rows; ++row) {
    const float x[] = {normal(random), 3.5F, static_cast<float>(random() % 4),
                       normal(random), std::round(normal(random) * 8)};
    all.values.insert(all.values.end(), x, x + 5);
    const float target = x[0] + x[2] - x[3] / 2 - 1.5F + normal(random) / 4;
    all.labels.push_back(
        classes == 0
            ? target
            : std::clamp(std::floor(target + static_cast<float>(classes) / 2),
                         0.0F, static_cast<float>(classes - 1)));
  }
  return all;
}

absl::StatusOr<BinnedFeatures> Bin(const Examples& all, int64_t most_bins) {
  return BinnedFeatures::Create(
      all.rows(), all.features, most_bins,
      [&](int64_t first, int64_t count, std::span<float> columns) {
        for (int64_t f = 0; f < count; ++f) {
          for (int64_t row = 0; row < all.rows(); ++row) {
            columns[f * all.rows() + row] = all.Row(row)[first + f];
          }
        }
        return absl::OkStatus();
      });
}

Tree GrowTree(const Examples& all, const GrowthOptions& options,
              int64_t number = 0, int64_t most_bins = 256) {
  auto features = Bin(all, most_bins);
  EXPECT_TRUE(features.ok()) << features.status();
  TreeGrower grower(options, &*features, all.labels);
  return grower.Grow(number);
}

// How impure the labels are: the Gini index, or the variance, times their
// number.
double Impurity(const std::vector<std::pair<float, int>>& labels,
                int64_t classes) {
  double weight = 0, sum = 0, squares = 0;
  std::map<float, double> counts;
  for (const auto& [label, times] : labels) {
    weight += times;
    sum += static_cast<double>(label) * times;
    squares += static_cast<double>(label) * label * times;
    counts[label] += times;
  }
  if (weight == 0) return 0;
  if (classes == 0) return squares - sum * sum / weight;
  double pure = 0;
  for (const auto& [label, count] : counts) pure += count * count;
  return weight - pure / weight;
}

// Goes through the tree: each split must be the best of all that there are,
// found by trying each feature and each threshold between two values.
class Judge {
 public:
  Judge(const Examples& all, const GrowthOptions& options, const Tree& tree)
      : all_(all), options_(options), tree_(tree) {}

  void Check(const std::vector<uint16_t>& drawn) {
    std::vector<int64_t> rows;
    for (size_t i = 0; i < drawn.size(); ++i) {
      if (drawn[i] > 0) rows.push_back(static_cast<int64_t>(i));
    }
    drawn_ = drawn;
    CheckNode(0, rows, 0);
  }
  int splits() const { return splits_; }

 private:
  double ImpurityOf(const std::vector<int64_t>& rows) const {
    std::vector<std::pair<float, int>> labels;
    for (const int64_t row : rows) {
      labels.emplace_back(all_.labels[row], drawn_[row]);
    }
    return Impurity(labels, options_.classes);
  }
  std::pair<std::vector<int64_t>, std::vector<int64_t>> Divide(
      const std::vector<int64_t>& rows, int64_t feature,
      float threshold) const {
    std::pair<std::vector<int64_t>, std::vector<int64_t>> sides;
    for (const int64_t row : rows) {
      const bool left = all_.Row(row)[feature] <= threshold;
      (left ? sides.first : sides.second).push_back(row);
    }
    return sides;
  }

  std::optional<double> BestGain(const std::vector<int64_t>& rows) const {
    std::optional<double> best;
    for (int64_t f = 0; f < all_.features; ++f) {
      std::set<float> values;
      for (const int64_t row : rows) values.insert(all_.Row(row)[f]);
      for (const float value : values) {
        const auto [left, right] = Divide(rows, f, value);
        const auto least = static_cast<size_t>(options_.leaf_examples);
        if (left.size() < least || right.size() < least || right.empty()) {
          continue;
        }
        const double gain =
            ImpurityOf(rows) - ImpurityOf(left) - ImpurityOf(right);
        best = std::max(best.value_or(gain), gain);
      }
    }
    return best;
  }

  void CheckNode(int32_t at, const std::vector<int64_t>& rows, int64_t depth) {
    const Tree::Node& node = tree_.nodes[at];
    const double impurity = ImpurityOf(rows);
    if (node.is_leaf()) {
      CheckLeaf(node, rows);
      const bool deep = options_.depth > 0 && depth == options_.depth;
      EXPECT_TRUE(deep || impurity < 1e-6 || !BestGain(rows)) << "node " << at;
      return;
    }
    ++splits_;
    const auto [left, right] = Divide(rows, node.feature, node.threshold);
    const double gain = impurity - ImpurityOf(left) - ImpurityOf(right);
    EXPECT_NEAR(gain, node.gain, 1e-3 * (1 + impurity)) << "node " << at;
    if (options_.split_features == all_.features) {
      EXPECT_NEAR(gain, *BestGain(rows), 1e-6 * (1 + impurity))
          << "node " << at;
    }
    EXPECT_GE(static_cast<int64_t>(left.size()), options_.leaf_examples);
    EXPECT_GE(static_cast<int64_t>(right.size()), options_.leaf_examples);
    CheckNode(at + 1, left, depth + 1);
    CheckNode(node.right, right, depth + 1);
  }

  void CheckLeaf(const Tree::Node& leaf, const std::vector<int64_t>& rows) {
    uint32_t examples = 0;
    double sum = 0;
    std::map<int32_t, uint32_t> counts;
    for (const int64_t row : rows) {
      examples += drawn_[row];
      sum += static_cast<double>(all_.labels[row]) * drawn_[row];
      counts[static_cast<int32_t>(all_.labels[row])] += drawn_[row];
    }
    EXPECT_EQ(leaf.examples, examples);
    if (options_.classes == 0) {
      EXPECT_NEAR(leaf.value, sum / examples, 1e-5);
      return;
    }
    std::map<int32_t, uint32_t> told;
    for (int32_t i = leaf.first; i < leaf.last; ++i) {
      told[tree_.counts[i].label] = tree_.counts[i].count;
    }
    EXPECT_EQ(told, counts);
  }

  const Examples& all_;
  const GrowthOptions& options_;
  const Tree& tree_;
  std::vector<uint16_t> drawn_;
  int splits_ = 0;
};

TEST(TreeGrowerTest, TakesTheBestOfAllSplits) {
  int splits = 0;
  // Most of 60,000 classes have no example.
  for (const int64_t classes : {0, 2, 3, 60'000}) {
    for (const int64_t rows : {30, 200}) {
      for (const int64_t leaf : {1, 5}) {
        const Examples all = Draw(rows, classes, 7);
        const GrowthOptions options = {.seed = 3,
                                       .classes = classes,
                                       .depth = leaf == 5 ? 4 : 0,
                                       .leaf_examples = leaf,
                                       .split_features = all.features};
        const Tree tree = GrowTree(all, options, 1);
        Judge judge(all, options, tree);
        judge.Check(DrawExamples(options, 1, all.rows()));
        splits += judge.splits();
      }
    }
  }
  EXPECT_GT(splits, 200);
}

TEST(TreeGrowerTest, DrawsTheFeaturesOfEachSplit) {
  const Examples all = Draw(300, 3, 8);
  const GrowthOptions options = {
      .seed = 3, .classes = 3, .split_features = 1, .bootstrap = false};
  const Tree tree = GrowTree(all, options);
  Judge judge(all, options, tree);
  judge.Check(std::vector<uint16_t>(300, 1));
  std::set<int32_t> used;
  for (const Tree::Node& node : tree.nodes) used.insert(node.feature);
  // All but the constant one; and leaves.
  EXPECT_EQ(used, (std::set<int32_t>{Tree::kLeaf, 0, 2, 3, 4}));
}

TEST(TreeGrowerTest, IsAFunctionOfSeedAndNumber) {
  const Examples all = Draw(400, 3, 9);
  GrowthOptions options = {.seed = 3, .classes = 3, .split_features = 2};
  auto features = Bin(all, 256);
  ASSERT_TRUE(features.ok());
  TreeGrower one(options, &*features, all.labels);
  TreeGrower other(options, &*features, all.labels);
  const Tree fifth = one.Grow(5);
  EXPECT_NE(fifth, one.Grow(6));
  other.Grow(17);
  EXPECT_EQ(fifth, other.Grow(5));
  options.seed = 4;
  EXPECT_NE(fifth, TreeGrower(options, &*features, all.labels).Grow(5));
}

TEST(TreeGrowerTest, DrawsWithReplacement) {
  constexpr int64_t kRows = 10'000;
  const auto drawn = DrawExamples({.seed = 1}, 0, kRows);
  int64_t sum = 0, none = 0;
  for (const uint16_t times : drawn) {
    sum += times;
    none += times == 0 ? 1 : 0;
  }
  EXPECT_EQ(sum, kRows);
  EXPECT_NEAR(static_cast<double>(none) / kRows, std::exp(-1), 0.02);
  EXPECT_NE(drawn, DrawExamples({.seed = 1}, 1, kRows));
  EXPECT_NE(drawn, DrawExamples({.seed = 2}, 0, kRows));
}

TEST(TreeGrowerTest, MakesALeafOfWhatCannotBeSplit) {
  // One class, features that are all the same, or too few examples.
  Examples all = Draw(50, 2, 3);
  std::ranges::fill(all.labels, 1.0F);
  GrowthOptions options = {.classes = 2, .split_features = 5};
  EXPECT_EQ(GrowTree(all, options).nodes.size(), 1u);
  all = Draw(50, 2, 3);
  std::ranges::fill(all.values, 1.0F);
  EXPECT_EQ(GrowTree(all, options).nodes.size(), 1u);
  all = Draw(50, 2, 3);
  options.leaf_examples = 40;
  EXPECT_EQ(GrowTree(all, options).nodes.size(), 1u);
  options.classes = 0;
  EXPECT_EQ(GrowTree(all, options).nodes.size(), 1u);
}

TEST(TreeGrowerTest, FindsAClassWithOneExample) {
  Examples all = Draw(100, 2, 3);
  all.labels[42] = 2;
  const GrowthOptions options = {
      .classes = 3, .split_features = 5, .bootstrap = false};
  const Tree tree = GrowTree(all, options);
  const Tree::Node& leaf = tree.LeafOf(all.Row(42));
  ASSERT_EQ(leaf.last - leaf.first, 1);
  EXPECT_EQ(tree.counts[leaf.first], (Tree::ClassCount{2, 1}));
}

TEST(BinnedFeaturesTest, HasABinForEachOfFewValues) {
  Examples all{.features = 1, .values = {3, -1, 3, 0, -0.0F, 7}};
  all.labels.resize(6);
  const auto features = Bin(all, 4);
  ASSERT_TRUE(features.ok());
  EXPECT_EQ(features->BinCount(0), 4);
  const auto column = features->Column(0);
  EXPECT_THAT(std::vector<uint8_t>(column.begin(), column.end()),
              ::testing::ElementsAre(2, 0, 2, 1, 1, 3));
  EXPECT_EQ(features->Between(0, 0, 1), -0.5F);
  EXPECT_EQ(features->Between(0, 1, 3), 3.5F);
}

TEST(BinnedFeaturesTest, HasBinsOfAboutAsManyExamples) {
  Examples all{.features = 1};
  for (int i = 0; i < 1000; ++i) {
    all.values.push_back(static_cast<float>((i * 37) % 1000));
  }
  all.labels.resize(1000);
  const auto features = Bin(all, 10);
  ASSERT_TRUE(features.ok());
  ASSERT_EQ(features->BinCount(0), 10);
  std::vector<int> sizes(10);
  for (int64_t i = 0; i < 1000; ++i) {
    const int bin = features->Column(0)[i];
    ++sizes[bin];
    EXPECT_EQ(bin, static_cast<int>(all.values[i]) / 100);
  }
  EXPECT_THAT(sizes, ::testing::Each(100));
}

TEST(BinnedFeaturesTest, KeepsValuesApartThatAreNextToEachOther) {
  const float one = 1;
  const float next = std::nextafter(one, 2.0F);
  Examples all{.features = 1, .values = {one, next}};
  all.labels.resize(2);
  const auto features = Bin(all, 256);
  ASSERT_TRUE(features.ok());
  EXPECT_EQ(features->Between(0, 0, 1), one);
}

TEST(BinnedFeaturesTest, RefusesNaN) {
  Examples all{.features = 2,
               .values = {1, 2, 3, std::numeric_limits<float>::quiet_NaN()}};
  all.labels.resize(2);
  const auto features = Bin(all, 256);
  EXPECT_EQ(features.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(features.status().message()), HasSubstr("feature 1"));
}

TEST(TreeTest, IsTheSameFromItsBytes) {
  for (const int64_t classes : {0, 2, 5}) {
    const Examples all = Draw(300, classes, 11);
    const Tree tree =
        GrowTree(all, {.classes = classes, .split_features = 2}, 4);
    const std::string bytes = EncodeTree(tree);
    EXPECT_LE(static_cast<int64_t>(bytes.size()), 300 * kTreeBytesPerExample);
    const auto again = DecodeTree(bytes, all.features, classes);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, tree);
  }
}

TEST(TreeTest, RefusesDamagedBytes) {
  const Examples all = Draw(100, 3, 12);
  const std::string bytes =
      EncodeTree(GrowTree(all, {.classes = 3, .split_features = 2}));
  EXPECT_FALSE(DecodeTree("", 5, 3).ok());
  EXPECT_FALSE(DecodeTree(bytes, 1, 3).ok());
  EXPECT_FALSE(DecodeTree(bytes, 5, 1).ok());
  EXPECT_FALSE(DecodeTree(bytes + "x", 5, 3).ok());
  for (size_t size = 0; size < bytes.size(); size += 7) {
    EXPECT_FALSE(DecodeTree(bytes.substr(0, size), 5, 3).ok()) << size;
  }
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    const auto tree = DecodeTree(damaged, 5, 3);
    if (!tree.ok()) continue;
    tree->LeafOf(all.Row(0));
    for (const Tree::Node& node : tree->nodes) {
      if (node.is_leaf()) {
        EXPECT_GT(node.examples, 0u);
      }
    }
  }
}

TEST(ForestTest, IsTheMeanOfItsTrees) {
  for (const int64_t classes : {0, 3}) {
    const Examples all = Draw(400, classes, 13);
    const GrowthOptions options = {.classes = classes, .split_features = 3};
    Forest forest(all.features, classes);
    for (int64_t t = 0; t < 20; ++t) {
      ASSERT_TRUE(forest.Add(t, EncodeTree(GrowTree(all, options, t))).ok());
    }
    double right = 0, error = 0;
    for (int64_t row = 0; row < all.rows(); ++row) {
      std::vector<double> mean(forest.outputs());
      for (const Tree& tree : forest.trees()) {
        forest.AddTree(tree, all.Row(row), mean);
      }
      std::vector<float> out(forest.outputs());
      forest.Predict(all.Row(row), out);
      for (size_t i = 0; i < out.size(); ++i) {
        EXPECT_NEAR(out[i], mean[i] / 20, 1e-6);
      }
      const auto best = std::ranges::max_element(out) - out.begin();
      right += static_cast<float>(best) == all.labels[row] ? 1 : 0;
      error += std::abs(out[0] - all.labels[row]);
    }
    if (classes > 0) {
      EXPECT_GT(right, 390);
    } else {
      EXPECT_LT(error / 400, 0.25);
    }
    const auto importances = forest.Importances();
    double sum = 0;
    for (const double one : importances) sum += one;
    EXPECT_NEAR(sum, 1, 1e-9);
    EXPECT_EQ(importances[1], 0);  // Constant.
    EXPECT_GT(importances[0], importances[4]);
  }
}

TEST(ForestTest, PredictsOutOfBagByTheOtherTrees) {
  const Examples all = Draw(500, 3, 14);
  const GrowthOptions options = {.seed = 5, .classes = 3, .split_features = 2};
  Forest forest(all.features, 3);
  for (int64_t t = 0; t < 70; ++t) forest.Add(t, GrowTree(all, options, t));
  const ReadExamples read = [&](int64_t first, int64_t count,
                                std::vector<float>* features,
                                std::vector<float>* labels) {
    features->assign(all.Row(first), all.Row(first) + count * all.features);
    labels->assign(all.labels.begin() + first,
                   all.labels.begin() + first + count);
    return absl::OkStatus();
  };
  std::vector<float> told;
  const auto measure = [&](int64_t bytes) {
    told.clear();
    const auto measured = MeasureOutOfBag(
        forest, options, all.rows(), read,
        [&](std::span<const float> labels, std::span<const float> predictions) {
          EXPECT_EQ(labels.size() * 3, predictions.size());
          told.insert(told.end(), predictions.begin(), predictions.end());
        },
        bytes);
    EXPECT_TRUE(measured.ok()) << measured.status();
    EXPECT_EQ(measured->examples, 500);
    return measured->importances;
  };
  // In memory for a few examples, all is as in memory for all of them.
  measure(1000);
  const std::vector<float> parts = told;
  const std::vector<double> whole = measure(kOutOfBagBytes);
  EXPECT_EQ(told, parts);
  EXPECT_EQ(whole.size(), 5);
  for (int64_t row = 0; row < 500; row += 50) {
    std::vector<double> mean(3);
    int trees = 0;
    for (int64_t t = 0; t < 70; ++t) {
      if (DrawExamples(options, t, 500)[row] > 0) continue;
      forest.AddTree(forest.trees()[t], all.Row(row), mean);
      ++trees;
    }
    for (int c = 0; c < 3; ++c) {
      EXPECT_NEAR(told[row * 3 + c], mean[c] / trees, 1e-6);
    }
  }
}

TEST(ForestTest, ShufflingAFeatureThatMattersCosts) {
  for (const int64_t classes : {0, 3}) {
    const Examples all = Draw(600, classes, 15);
    const GrowthOptions options = {
        .seed = 5, .classes = classes, .split_features = 3};
    Forest forest(all.features, classes);
    for (int64_t t = 0; t < 30; ++t) forest.Add(t, GrowTree(all, options, t));
    const ReadExamples read = [&](int64_t first, int64_t count,
                                  std::vector<float>* features,
                                  std::vector<float>* labels) {
      features->assign(all.Row(first), all.Row(first) + count * all.features);
      labels->assign(all.labels.begin() + first,
                     all.labels.begin() + first + count);
      return absl::OkStatus();
    };
    const auto measured =
        MeasureOutOfBag(forest, options, 600, read, [](auto, auto) {});
    ASSERT_TRUE(measured.ok()) << measured.status();
    const std::vector<double>& costs = measured->importances;
    EXPECT_GT(costs[0], 0.1);
    EXPECT_GT(costs[2], 0.1);
    EXPECT_EQ(costs[1], 0);          // Constant.
    EXPECT_NEAR(costs[4], 0, 0.05);  // Noise.
    EXPECT_GT(costs[0], costs[3]);
  }
}

}  // namespace
}  // namespace ebb::workloads::forest

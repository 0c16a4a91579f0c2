#include "workloads/forest/model/tree_grower.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "common/example_hash.h"

namespace ebb::workloads::forest {

namespace {

// Streams of draws: of the examples of a tree, and of the features of a node.
constexpr uint64_t kExamples = 0x6578;
constexpr uint64_t kFeatures = 0x6665;

// A sequence of draws that its state decides.
class Draws {
 public:
  explicit Draws(uint64_t state) : state_(state) {}
  // From 0 to below `bound`, which is less than 2^32.
  uint64_t Below(uint64_t bound) {
    return (HashAppend(state_, next_++) >> 32) * bound >> 32;
  }

 private:
  const uint64_t state_;
  uint64_t next_ = 0;
};

uint64_t StateOf(const GrowthOptions& options, int64_t tree, uint64_t stream) {
  return HashAppend(
      HashAppend(Mix64(options.seed), static_cast<uint64_t>(tree)), stream);
}

struct Split {
  int64_t feature = 0;
  int64_t low = 0;   // The highest bin to the left,
  int64_t high = 0;  // and the lowest to the right.
  // The larger it is, the purer are both sides.
  double score = -std::numeric_limits<double>::infinity();

  bool found() const {
    return score > -std::numeric_limits<double>::infinity();
  }
  void Offer(const Split& other) {
    if (other.score > score ||
        (other.score == score && other.found() && other.feature < feature)) {
      *this = other;
    }
  }
};

// Classes: the purity of examples is the sum over the classes of the squares of
// their counts, divided by all of them. Counts are whole numbers, so it does
// not depend on an order.
class ClassTarget {
 public:
  struct Sample {
    uint32_t row = 0;
    uint16_t label = 0;
    uint16_t weight = 0;
  };

  explicit ClassTarget(const GrowthOptions& options)
      : classes_(options.classes), total_(classes_), left_(classes_) {}

  static Sample SampleOf(uint32_t row, float label, double /*mean*/,
                         uint16_t weight) {
    return {row, static_cast<uint16_t>(label), weight};
  }

  // The node whose samples are looked at from now on.
  void Enter(std::span<const Sample> samples) {
    for (const uint16_t label : labels_) total_[label] = 0;
    labels_.clear();
    weight_ = 0;
    for (const Sample& one : samples) {
      if (total_[one.label] == 0) labels_.push_back(one.label);
      total_[one.label] += one.weight;
      weight_ += one.weight;
    }
    squares_ = 0;
    for (const uint16_t label : labels_) {
      squares_ += uint64_t{total_[label]} * total_[label];
    }
  }
  bool pure() const { return squares_ == weight_ * weight_; }
  double purity() const { return Ratio(squares_, weight_); }

  void FillLeaf(Tree::Node* node, Tree* tree) {
    node->examples = static_cast<uint32_t>(weight_);
    node->first = static_cast<int32_t>(tree->counts.size());
    std::ranges::sort(labels_);
    for (const uint16_t label : labels_) {
      tree->counts.push_back({label, total_[label]});
    }
    node->last = static_cast<int32_t>(tree->counts.size());
  }

  // Returns whether counting by bin is faster than moving each of the samples.
  bool CountsByBin(size_t bins, size_t samples) const {
    return bins * classes_ <= samples;
  }
  // A scan from the lowest bin to the highest, of so many.
  void BeginBins(size_t bins) {
    if (counts_.size() < bins * classes_) counts_.resize(bins * classes_);
  }
  void AddToBin(size_t bin, const Sample& one) {
    counts_[bin * classes_ + one.label] += one.weight;
  }
  void BeginScan() {
    left_weight_ = left_squares_ = 0;
    right_squares_ = squares_;
  }
  // Moves what was added to the bin to the left, and empties the bin.
  void MoveBin(size_t bin) {
    uint32_t* const counts = counts_.data() + bin * classes_;
    for (size_t c = 0; c < classes_; ++c) {
      if (counts[c] == 0) continue;
      Move(c, counts[c]);
      counts[c] = 0;
    }
  }
  void MoveSample(const Sample& one) { Move(one.label, one.weight); }
  double Score() const {
    return Ratio(left_squares_, left_weight_) +
           Ratio(right_squares_, weight_ - left_weight_);
  }
  void EndScan() {
    for (const uint16_t label : labels_) left_[label] = 0;
  }

 private:
  static double Ratio(uint64_t squares, uint64_t weight) {
    return static_cast<double>(squares) / static_cast<double>(weight);
  }
  void Move(size_t label, uint64_t count) {
    const uint64_t left = left_[label];
    const uint64_t right = total_[label] - left;
    left_squares_ += count * (2 * left + count);
    right_squares_ -= count * (2 * right - count);
    left_[label] += static_cast<uint32_t>(count);
    left_weight_ += count;
  }

  const size_t classes_;
  std::vector<uint32_t> total_;   // The counts of the node, by class.
  std::vector<uint16_t> labels_;  // The classes that it has.
  uint64_t weight_ = 0;
  uint64_t squares_ = 0;
  std::vector<uint32_t> left_;  // Zeros between scans.
  uint64_t left_weight_ = 0;
  uint64_t left_squares_ = 0;
  uint64_t right_squares_ = 0;
  std::vector<uint32_t> counts_;  // (bins, classes); zeros between scans.
};

// Values, as distances from the mean of all labels: the square of their sum,
// divided by how many there are, is larger the less both sides vary. Sums are
// taken in the order of the examples.
class ValueTarget {
 public:
  struct Sample {
    uint32_t row = 0;
    uint32_t weight = 0;
    double value = 0;  // Times the weight.
  };

  explicit ValueTarget(const GrowthOptions& /*options*/) {}

  static Sample SampleOf(uint32_t row, float label, double mean,
                         uint16_t weight) {
    return {row, weight, (label - mean) * weight};
  }

  void Enter(std::span<const Sample> samples) {
    sum_ = 0;
    weight_ = 0;
    for (const Sample& one : samples) {
      sum_ += one.value;
      weight_ += one.weight;
    }
    const auto value = [](const Sample& one) {
      return one.value / static_cast<double>(one.weight);
    };
    pure_ = std::ranges::all_of(samples, [&](const Sample& one) {
      return value(one) == value(samples.front());
    });
  }
  bool pure() const { return pure_; }
  double purity() const { return sum_ * sum_ / static_cast<double>(weight_); }

  void FillLeaf(double mean, Tree::Node* node) const {
    node->examples = static_cast<uint32_t>(weight_);
    node->value =
        static_cast<float>(mean + sum_ / static_cast<double>(weight_));
  }

  static bool CountsByBin(size_t /*bins*/, size_t /*samples*/) { return true; }
  void BeginBins(size_t /*bins*/) {}
  void AddToBin(size_t bin, const Sample& one) {
    sums_[bin] += one.value;
    weights_[bin] += one.weight;
  }
  void BeginScan() {
    left_sum_ = 0;
    left_weight_ = 0;
  }
  void MoveBin(size_t bin) {
    left_sum_ += std::exchange(sums_[bin], 0);
    left_weight_ += std::exchange(weights_[bin], 0);
  }
  void MoveSample(const Sample& one) {
    left_sum_ += one.value;
    left_weight_ += one.weight;
  }
  double Score() const {
    const double right = sum_ - left_sum_;
    return left_sum_ * left_sum_ / static_cast<double>(left_weight_) +
           right * right / static_cast<double>(weight_ - left_weight_);
  }
  void EndScan() {}

 private:
  double sum_ = 0;
  uint64_t weight_ = 0;
  bool pure_ = false;
  double left_sum_ = 0;
  uint64_t left_weight_ = 0;
  std::array<double, kMostBins> sums_ = {};  // Zeros between scans.
  std::array<uint64_t, kMostBins> weights_ = {};
};

// One tree.
template <typename Target>
class Growth {
 public:
  using Sample = typename Target::Sample;

  Growth(const GrowthOptions& options, const BinnedFeatures& features,
         std::span<const float> labels, double mean, int64_t tree)
      : options_(options),
        features_(features),
        mean_(mean),
        state_(StateOf(options, tree, kFeatures)),
        target_(options),
        order_(features.features()) {
    std::iota(order_.begin(), order_.end(), 0);
    const std::vector<uint16_t> drawn =
        DrawExamples(options, tree, features.rows());
    for (size_t row = 0; row < drawn.size(); ++row) {
      if (drawn[row] == 0) continue;
      samples_.push_back(Target::SampleOf(static_cast<uint32_t>(row),
                                          labels[row], mean, drawn[row]));
    }
    right_.resize(samples_.size());
  }

  Tree Grow() && {
    // The part of a node that is still to be made.
    struct Open {
      size_t begin;
      size_t end;
      int64_t depth;
      int32_t parent;  // It is the right child of this one; -1: of none.
    };
    std::vector<Open> open = {{0, samples_.size(), 0, -1}};
    while (!open.empty()) {
      const Open node = open.back();
      open.pop_back();
      const auto number = static_cast<int32_t>(tree_.nodes.size());
      if (node.parent >= 0) tree_.nodes[node.parent].right = number;
      tree_.nodes.emplace_back();
      const std::span<Sample> samples =
          std::span(samples_).subspan(node.begin, node.end - node.begin);
      target_.Enter(samples);
      const Split split = BestSplit(samples, node.depth, number);
      if (!split.found()) {
        FillLeaf(&tree_.nodes.back());
        continue;
      }
      Tree::Node& made = tree_.nodes.back();
      made.feature = static_cast<int32_t>(split.feature);
      made.threshold = features_.Between(split.feature, split.low, split.high);
      made.gain =
          static_cast<float>(std::max(0.0, split.score - target_.purity()));
      const size_t middle = node.begin + Divide(split, samples);
      open.push_back({middle, node.end, node.depth + 1, number});
      open.push_back({node.begin, middle, node.depth + 1, -1});
    }
    return std::move(tree_);
  }

 private:
  // Up to so many, samples are sorted by their bins instead of counted.
  static constexpr size_t kFewSamples = 40;

  void FillLeaf(Tree::Node* node) {
    if constexpr (std::is_same_v<Target, ClassTarget>) {
      target_.FillLeaf(node, &tree_);
    } else {
      target_.FillLeaf(mean_, node);
    }
  }

  Split BestSplit(std::span<const Sample> samples, int64_t depth,
                  int32_t node) {
    Split best;
    const auto size = static_cast<int64_t>(samples.size());
    if (target_.pure() || size < 2 * options_.leaf_examples ||
        (options_.depth > 0 && depth == options_.depth)) {
      return best;
    }
    const auto all = static_cast<int64_t>(order_.size());
    if (options_.split_features >= all) {
      for (int64_t f = 0; f < all; ++f) Try(f, samples, &best);
      return best;
    }
    // The first of a random order, which is the same whatever was drawn before.
    Draws draws(HashAppend(state_, static_cast<uint64_t>(node)));
    bool varies = false;
    swaps_.clear();
    for (int64_t i = 0; i < all; ++i) {
      if (i >= options_.split_features && varies) break;
      const int64_t j =
          i + static_cast<int64_t>(draws.Below(static_cast<uint64_t>(all - i)));
      std::swap(order_[i], order_[j]);
      swaps_.push_back(j);
      varies |= Try(order_[i], samples, &best);
    }
    for (size_t i = swaps_.size(); i-- > 0;) {
      std::swap(order_[i], order_[swaps_[i]]);
    }
    return best;
  }

  // Returns whether the feature has several values in the node.
  bool Try(int64_t feature, std::span<const Sample> samples, Split* best) {
    if (features_.BinCount(feature) == 1) return false;
    const std::span<const uint8_t> column = features_.Column(feature);
    const Split found = samples.size() <= kFewSamples
                            ? ScanFew(feature, column, samples)
                            : ScanMany(feature, column, samples);
    best->Offer(found);
    return found.high > 0;
  }

  // Judges the splits between `low` and `high`, with `left` different examples
  // to the left.
  void Consider(int64_t low, int64_t high, size_t left, size_t all,
                Split* best) {
    best->high = high;
    const auto least = static_cast<size_t>(options_.leaf_examples);
    if (left < least || all - left < least) return;
    const double score = target_.Score();
    if (score > best->score) {
      best->score = score;
      best_low_ = low;
      best_high_ = high;
    }
  }
  void BeginScan(int64_t feature, Split* best) {
    *best = {};
    best->feature = feature;
    target_.BeginScan();
  }
  Split EndScan(Split best) {
    target_.EndScan();
    if (best.found()) {
      best.low = best_low_;
      best.high = best_high_;
    }
    return best;
  }

  Split ScanFew(int64_t feature, std::span<const uint8_t> column,
                std::span<const Sample> samples) {
    // The bin, and behind it the place among the samples.
    std::array<uint16_t, kFewSamples> sorted;
    const size_t size = samples.size();
    bool varies = false;
    const uint8_t first = column[samples[0].row];
    for (size_t i = 0; i < size; ++i) {
      const uint8_t bin = column[samples[i].row];
      varies |= bin != first;
      sorted[i] = static_cast<uint16_t>(bin << 8 | i);
    }
    Split best;
    best.feature = feature;
    if (!varies) return best;
    std::sort(sorted.begin(), sorted.begin() + size);
    BeginScan(feature, &best);
    for (size_t i = 0; i + 1 < size; ++i) {
      target_.MoveSample(samples[sorted[i] & 0xff]);
      const int low = sorted[i] >> 8;
      const int high = sorted[i + 1] >> 8;
      if (low != high) Consider(low, high, i + 1, size, &best);
    }
    return EndScan(best);
  }

  Split ScanMany(int64_t feature, std::span<const uint8_t> column,
                 std::span<const Sample> samples) {
    const auto bins = static_cast<size_t>(features_.BinCount(feature));
    const std::span<uint32_t> sizes = std::span(sizes_).first(bins);
    std::ranges::fill(sizes, 0u);
    for (const Sample& one : samples) ++sizes[column[one.row]];
    Split best;
    best.feature = feature;
    const size_t all = samples.size();
    if (sizes[column[samples[0].row]] == all) return best;
    const bool counts = target_.CountsByBin(bins, all);
    if (counts) {
      target_.BeginBins(bins);
      for (const Sample& one : samples) target_.AddToBin(column[one.row], one);
    } else {
      SortByBin(column, samples, sizes);
    }
    BeginScan(feature, &best);
    size_t left = 0;
    std::optional<int64_t> low;
    for (size_t bin = 0; bin < bins; ++bin) {
      if (sizes[bin] == 0) continue;
      if (low) Consider(*low, static_cast<int64_t>(bin), left, all, &best);
      if (counts) {
        target_.MoveBin(bin);
      } else {
        for (size_t i = left; i < left + sizes[bin]; ++i) {
          target_.MoveSample(right_[i]);
        }
      }
      left += sizes[bin];
      low = bin;
    }
    return EndScan(best);
  }

  // Fills right_ with the samples by their bins, of which there are so many
  // each.
  void SortByBin(std::span<const uint8_t> column,
                 std::span<const Sample> samples,
                 std::span<const uint32_t> sizes) {
    std::array<uint32_t, kMostBins> next;
    std::exclusive_scan(sizes.begin(), sizes.end(), next.begin(), 0u);
    for (const Sample& one : samples) right_[next[column[one.row]]++] = one;
  }

  // Brings the samples of the left side to the front, each side in its order.
  // Returns how many these are.
  size_t Divide(const Split& split, std::span<Sample> samples) {
    const std::span<const uint8_t> column = features_.Column(split.feature);
    size_t left = 0;
    size_t right = 0;
    for (const Sample one : samples) {
      if (column[one.row] <= split.low) {
        samples[left++] = one;
      } else {
        right_[right++] = one;
      }
    }
    std::copy_n(right_.begin(), right, samples.begin() + left);
    return left;
  }

  const GrowthOptions& options_;
  const BinnedFeatures& features_;
  const double mean_;
  const uint64_t state_;
  Target target_;
  std::vector<int64_t> order_;  // All features; ascending between nodes.
  std::vector<int64_t> swaps_;
  std::vector<Sample> samples_;  // A node's are a run.
  std::vector<Sample> right_;    // Scratch of a node.
  std::array<uint32_t, kMostBins> sizes_;
  int64_t best_low_ = 0;
  int64_t best_high_ = 0;
  Tree tree_;
};

}  // namespace

std::vector<uint16_t> DrawExamples(const GrowthOptions& options, int64_t tree,
                                   int64_t rows) {
  constexpr uint16_t kMost = std::numeric_limits<uint16_t>::max();
  std::vector<uint16_t> drawn(rows, options.bootstrap ? 0 : 1);
  if (!options.bootstrap) return drawn;
  Draws draws(StateOf(options, tree, kExamples));
  for (int64_t i = 0; i < rows; ++i) {
    uint16_t& count = drawn[draws.Below(static_cast<uint64_t>(rows))];
    if (count < kMost) ++count;
  }
  return drawn;
}

TreeGrower::TreeGrower(const GrowthOptions& options,
                       const BinnedFeatures* features,
                       std::span<const float> labels)
    : options_(options), features_(*features), labels_(labels) {
  for (const float label : labels) mean_ += label;
  mean_ /= static_cast<double>(labels.size());
}

Tree TreeGrower::Grow(int64_t tree) const {
  if (options_.classes > 0) {
    return Growth<ClassTarget>(options_, features_, labels_, mean_, tree)
        .Grow();
  }
  return Growth<ValueTarget>(options_, features_, labels_, mean_, tree).Grow();
}

}  // namespace ebb::workloads::forest

#include "workloads/boosted/base/boosted_shape.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"

namespace ebb {

namespace {

// A push has the histograms of all slots, most often of few examples. 4 MiB.
constexpr int64_t kHistogramFloats = int64_t{1} << 20;
// The histograms of one node: 512 KiB.
constexpr int64_t kDefaultNodeFloats = int64_t{1} << 17;
// The most for one node and for all tables: 64 MiB and 1 GiB.
constexpr int64_t kMostNodeFloats = int64_t{1} << 24;
constexpr int64_t kMostFloats = int64_t{1} << 28;
constexpr int64_t kFewestDefaultBins = 15;

// An operation has all nodes of the trees that are being grown. 3 MiB.
constexpr int64_t kMostNodes = int64_t{1} << 15;
// The figures of a round have the best split of each.
constexpr int64_t kMostSlots = 4096;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

bool IsKeptBack(uint64_t seed, double share, int64_t number) {
  // What else is drawn by the seed appends other numbers to it.
  constexpr uint64_t kValidation = 3;
  return UnitOf(HashAppend(HashAppend(seed, kValidation),
                           static_cast<uint64_t>(number))) < share;
}

absl::Status BoostedShape::Validate() const {
  const auto wrong = [](auto&&... text) {
    return absl::InvalidArgumentError(absl::StrCat(text...));
  };
  if (features < 1 || outputs < 1 || trees < 1) {
    return wrong("boosted trees need features, outputs and trees");
  }
  if (bins < 2 || bins > kMostBoostedBins) {
    return wrong("model.bins: ", bins, " is not from 2 to ", kMostBoostedBins);
  }
  if (leaves == 0 && (depth < 1 || depth > kMostBoostedLevels)) {
    return wrong("model.depth: trees that grow level by level have at most ",
                 kMostBoostedLevels, " levels, and not ", depth,
                 "\nhint: leaves: 31 grows them leaf by leaf");
  }
  if (features > kMostNodeFloats / HistogramFloats()) {
    return wrong("model.bins: the histograms of one node would have ", features,
                 " features with ", bins, " intervals each, more than ",
                 kMostNodeFloats / BoostedSums::kCount,
                 " cells together\nhint: fewer bins");
  }
  const int64_t of_trees = TreeFloats() * outputs;
  if (Nodes() * outputs > kMostNodes || trees > kMostFloats / of_trees) {
    return wrong("model.trees: ", trees, " times ", outputs, " trees of ",
                 Nodes(),
                 " nodes are too many\nhint: fewer trees, or trees "
                 "of fewer leaves");
  }
  return absl::OkStatus();
}

int64_t BoostedShape::Leaves() const {
  constexpr int64_t kMost = int64_t{1} << 30;
  const int64_t by_depth =
      depth == 0 || depth > 30 ? kMost : int64_t{1} << depth;
  return leaves == 0 ? by_depth : std::min(leaves, by_depth);
}

int64_t BoostedShape::Slots() const {
  // The nodes of the last level, or the children of one split in each tree.
  const int64_t wanted =
      outputs * (leaves == 0 ? std::max<int64_t>(1, Leaves() / 2)
                             : std::min<int64_t>(2, Leaves()));
  return std::clamp<int64_t>(kHistogramFloats / NodeFloats(), 1,
                             std::min(wanted, kMostSlots));
}

std::vector<int64_t> BoostedShape::FirstOpenNodes() const {
  std::vector<int64_t> open;
  for (int64_t k = 0; k < std::min(outputs, Slots()); ++k) {
    open.push_back(k * Nodes());
  }
  return open;
}

int64_t BoostedShape::Rounds() const {
  int64_t of_a_tree = 0;
  if (leaves == 0) {
    for (int64_t level = 0; level < depth; ++level) {
      of_a_tree += CeilDivide(outputs << level, Slots());
    }
  } else {
    // One for each split, and where there are too few slots all nodes.
    of_a_tree = Leaves() - 1;
    if (Slots() < 2 * outputs) {
      of_a_tree += CeilDivide(outputs * Nodes(), Slots());
    }
  }
  return std::max<int64_t>(1, of_a_tree) * trees + (validates ? 1 : 0);
}

int64_t DefaultBoostedBins(int64_t features) {
  return std::clamp<int64_t>(
      kDefaultNodeFloats / (BoostedSums::kCount * features) - 1,
      kFewestDefaultBins, kMostBoostedBins);
}

}  // namespace ebb

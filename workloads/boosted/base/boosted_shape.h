// The tables of a model of boosted trees: what stands where in its flat vector.
//
// Three parts of ebb share the layout: the model walks the trees, the servers
// grow them, and `ebb submit` chooses the intervals.
#ifndef EBB_WORKLOADS_BOOSTED_BASE_BOOSTED_SHAPE_H_
#define EBB_WORKLOADS_BOOSTED_BASE_BOOSTED_SHAPE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace ebb {

// Sums of whole numbers in float32 are exact up to here.
inline constexpr int64_t kMostBoostedExamples = int64_t{1} << 24;

// One more cell is for examples without a value, and a byte names a cell.
inline constexpr int64_t kMostBoostedBins = 255;

// A tree that grows level by level has all leaves that it may.
inline constexpr int64_t kMostBoostedLevels = 12;
// A job has at most so many epochs.
inline constexpr int64_t kMostBoostedRounds = 1'000'000;

// The columns of a node in the table `nodes`.
struct BoostedNodeColumns {
  // The feature that it splits, or -1: it is a leaf, or was not split yet.
  static constexpr int64_t kFeature = 0;
  // Examples up to the upper edge of this interval go left; without an upper
  // edge, all that have a value do.
  static constexpr int64_t kBin = 1;
  // The side for examples without a value: 0 left, 1 right.
  static constexpr int64_t kMissing = 2;
  // The number of the left child. The right one follows it.
  static constexpr int64_t kLeft = 3;
  // The addition of a leaf to the margin; of others the gain.
  static constexpr int64_t kValue = 4;
  static constexpr int64_t kCount = 5;
};

// The columns of a cell of the table `histograms`.
struct BoostedSums {
  static constexpr int64_t kGradient = 0;
  static constexpr int64_t kCurvature = 1;
  static constexpr int64_t kExamples = 2;
  static constexpr int64_t kCount = 3;
};

// The columns of the table `validation`: sums over the examples that are kept
// back.
struct BoostedValidation {
  static constexpr int64_t kLoss = 0;
  static constexpr int64_t kExamples = 1;
  static constexpr int64_t kCount = 2;
};

// True if no tree learns from the example, so that its loss says when to stop:
// so many are drawn by the job's seed and the number of the example.
bool IsKeptBack(uint64_t seed, double share, int64_t number);

struct BoostedShape {
  int64_t features = 1;
  // Trees that are grown side by side: one, or one for each of three or more
  // classes.
  int64_t outputs = 1;
  int64_t trees = 1;  // For each output.
  // Most splits above a leaf; 0: any number.
  int64_t depth = 6;
  // Most leaves of a tree that grows leaf by leaf; 0: it grows level by level.
  int64_t leaves = 0;
  // Intervals of a feature's values, from 2.
  int64_t bins = 2;
  // Some examples are kept back, and a round tells their loss.
  bool validates = false;

  // InvalidArgument: it has no such model, or a table would be too large.
  absl::Status Validate() const;

  int64_t Leaves() const;  // Most of a tree.
  int64_t Nodes() const { return 2 * Leaves() - 1; }
  int64_t Edges() const { return bins - 1; }
  // The floats of the histogram of a feature at a node: its intervals, and the
  // examples without a value.
  int64_t HistogramFloats() const { return (bins + 1) * BoostedSums::kCount; }
  int64_t NodeFloats() const { return features * HistogramFloats(); }
  // The nodes that a round can look at.
  int64_t Slots() const;
  // The nodes that the first round of each tree looks at: the roots, as far as
  // there are slots.
  std::vector<int64_t> FirstOpenNodes() const;
  // The rounds of the whole job, at most. If it validates, the last one grows
  // nothing: it measures the last tree.
  int64_t Rounds() const;

  // The offsets of the tables. `base` has what a margin begins with, by output.
  int64_t EdgesAt() const { return outputs; }
  int64_t NodesAt() const { return EdgesAt() + features * Edges(); }
  int64_t TreeFloats() const { return Nodes() * BoostedNodeColumns::kCount; }
  // `open`: the number of complete trees, that of the nodes that the next
  // round looks at, and these: output * Nodes() + node.
  int64_t OpenAt() const { return NodesAt() + trees * outputs * TreeFloats(); }
  int64_t OpenFloats() const { return 2 + Slots(); }
  // `validation`: only if it validates. Its values are always 0.
  int64_t ValidationAt() const { return OpenAt() + OpenFloats(); }
  int64_t ValidationFloats() const {
    return validates ? BoostedValidation::kCount : 0;
  }
  // `histograms`: by slot, feature and interval. Their values are always 0.
  int64_t HistogramsAt() const { return ValidationAt() + ValidationFloats(); }
  int64_t Parameters() const { return HistogramsAt() + Slots() * NodeFloats(); }
};

// The intervals that a job gets which does not say: fewer where the features
// are many.
int64_t DefaultBoostedBins(int64_t features);

}  // namespace ebb

#endif  // EBB_WORKLOADS_BOOSTED_BASE_BOOSTED_SHAPE_H_

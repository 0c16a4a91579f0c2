// Gradient-boosted trees in rounds (Friedman 2001, "Greedy function
// approximation"; with second derivatives and histograms as in Chen and
// Guestrin 2016, "XGBoost").
//
// The job's flat vector has the trees so far, and a histogram for each node
// that a round looks at (workloads/boosted/base/boosted_shape.h). In a round
// each example adds its gradient, second derivative and 1 to the cells of its
// node, one for each feature. So the sum of a round has what decides the best
// split of each node.
//
// Partitions cut the vector anywhere. Each finds the best split among the
// features whose histograms it has whole, and tells the cells of a histogram
// that a border cuts. The coordinator chooses, and grows the trees: the
// operation has the trees that are being grown, whole.
//
// Pure.
#ifndef EBB_WORKLOADS_BOOSTED_SERVER_BOOSTING_H_
#define EBB_WORKLOADS_BOOSTED_SERVER_BOOSTING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/coordinator.h"
#include "workloads/boosted/base/boosted_shape.h"

namespace ebb {

struct BoostingOptions {
  BoostedShape shape;
  // The part of each leaf's value that is added: above 0, at most 1.
  double shrinkage = 0.3;
  // Added to the second derivatives of a leaf: at least 0.
  double l2 = 1;
  // Fewest examples of a leaf, at least 1.
  int64_t leaf_examples = 1;
  // Each tree learns from other examples or features. Then the job goes on
  // after a tree without a split.
  bool samples = false;
  // The job ends after so many trees without a smaller loss of the examples
  // that are kept back, and has the trees with the smallest. 0: none are kept
  // back, and all trees grow. Above 0 if the shape validates.
  int64_t patience = 0;

  // InvalidArgument, naming the option.
  absl::Status Validate() const;
};

// The sums of the examples of a node.
struct BoostingSums {
  double gradient = 0;
  double curvature = 0;
  double examples = 0;

  BoostingSums& operator+=(const BoostingSums& other);
  BoostingSums operator-(const BoostingSums& other) const;
  friend bool operator==(const BoostingSums&, const BoostingSums&) = default;
};

struct BoostingSplit {
  double gain = 0;  // Above 0, or there is no split.
  int64_t feature = 0;
  int64_t bin = 0;
  bool missing_right = false;
  // Without a split, `left` has the sums of the whole node. Without examples,
  // nothing is known of it.
  BoostingSums left;
  BoostingSums right;

  bool known() const { return left.examples > 0; }
  // Returns whether it goes before the other: ties go to the lower feature,
  // then to the lower interval.
  bool Beats(const BoostingSplit& other) const;
  friend bool operator==(const BoostingSplit&, const BoostingSplit&) = default;
};

// The best split of a node by one feature, whose histogram is given.
BoostingSplit BestSplit(const BoostingOptions& options, int64_t feature,
                        std::span<const float> histogram);

struct BoostingNode {
  enum class State {
    kOpen = 0,       // A round must look at it.
    kCandidate = 1,  // Its best split is known.
    kLeaf = 2,
    kSplit = 3,
  };
  State state = State::kOpen;
  int64_t depth = 0;
  BoostingSums sums;    // A root has them once it was looked at.
  BoostingSplit split;  // Candidates, and those that are split.
  int64_t left = 0;     // The left child.
  friend bool operator==(const BoostingNode&, const BoostingNode&) = default;
};

// The loss of the examples that are kept back. A round measures the trees that
// were complete before it.
struct BoostingValidation {
  double loss = 0;  // Mean.
  int64_t best_trees = 0;
  double best_loss = 0;
  friend bool operator==(const BoostingValidation&,
                         const BoostingValidation&) = default;
};

struct BoostingOperation {
  int64_t round = 0;
  // The mean loss, of the trees that were complete before the round.
  double loss = 0;
  // The trees that the round worked on: one for each output. If it only
  // measured, the first that did not grow.
  int64_t tree = 0;
  std::vector<std::vector<BoostingNode>> nodes;
  // They are complete with this round.
  bool complete = false;
  // The nodes that the next round looks at, as in the table `open`.
  std::vector<int64_t> open;
  // The job ends with this round.
  bool ends = false;
  // Only jobs with patience fill it.
  BoostingValidation validation;
  // The best trees remain, and those after them are taken back.
  bool cuts = false;

  // Trees that are complete after the round.
  int64_t Complete() const {
    return cuts ? validation.best_trees : tree + (complete ? 1 : 0);
  }

  std::string Encode() const;
  // DataLoss: it is not an operation; InvalidArgument: it has other options.
  static absl::StatusOr<BoostingOperation> Decode(
      absl::string_view bytes, const BoostingOptions& options);
  friend bool operator==(const BoostingOperation&,
                         const BoostingOperation&) = default;
};

// Places in what a partition measures.
struct BoostingFigures {
  // The loss of the round's examples. Whole, not a part.
  static constexpr size_t kLoss = 0;
  // From here on, the best split of each slot.
  static constexpr size_t kSplits = 1;
  static constexpr size_t kOfASplit = 10;
  // And the histogram that the partition's begin cuts; then the one that its
  // end cuts, unless it is the same. Cells of other partitions are 0.
  static size_t CutsAt(const BoostingOptions& options) {
    return kSplits + kOfASplit * static_cast<size_t>(options.shape.Slots());
  }
  // And the sums of the examples that are kept back, as far as it has them.
  static size_t ValidationAt(const BoostingOptions& options) {
    return CutsAt(options) +
           2 * static_cast<size_t>(options.shape.HistogramFloats());
  }
  static size_t Count(const BoostingOptions& options) {
    return ValidationAt(options) +
           static_cast<size_t>(options.shape.ValidationFloats());
  }
};

// Adds what a partition's run, all of it, contributes to all figures but the
// loss. It begins at `first` of the flat vector.
void AddBoostingFigures(const BoostingOptions& options, int64_t first,
                        std::span<const float> sum, std::span<double> figures);

// The best split of each slot. `ranges` are those of the partitions in the flat
// vector.
std::vector<BoostingSplit> SplitsOf(
    const BoostingOptions& options,
    const std::vector<std::pair<int64_t, int64_t>>& ranges,
    const std::vector<std::vector<double>>& figures);

// The operation of a round. `before` is null in round 0. `loss`: the mean of
// the examples that are kept back; without patience it is not looked at.
BoostingOperation NextBoostingOperation(
    const BoostingOptions& options, const RoundPlace& place,
    const BoostingOperation* before, const std::vector<BoostingSplit>& splits,
    double loss = 0);

std::unique_ptr<const Coordinator> MakeBoostingCoordinator(
    const BoostingOptions& options,
    std::vector<std::pair<int64_t, int64_t>> ranges);

// Writes the values after the round to `out`, which begins at `first` of the
// flat vector, as `values` do.
void ApplyBoosting(const BoostingOptions& options,
                   const BoostingOperation& operation, int64_t first,
                   std::span<const float> values, std::span<float> out);

}  // namespace ebb

#endif  // EBB_WORKLOADS_BOOSTED_SERVER_BOOSTING_H_

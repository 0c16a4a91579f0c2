// A tree of decisions, and its bytes.
#ifndef EBB_WORKLOADS_FOREST_MODEL_TREE_H_
#define EBB_WORKLOADS_FOREST_MODEL_TREE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::workloads::forest {

struct Tree {
  static constexpr int32_t kLeaf = -1;

  // The left child of a node, where x[feature] <= threshold, comes right behind
  // it, so that a whole subtree is a run.
  struct Node {
    bool is_leaf() const { return feature == kLeaf; }

    int32_t feature = kLeaf;
    float threshold = 0;
    // By how much the split lowered the impurity of its examples: the Gini
    // index, or the variance, times their number.
    float gain = 0;
    int32_t right = 0;
    // The training examples of a leaf, as often as each was drawn.
    uint32_t examples = 0;
    // The mean of their labels, for values.
    float value = 0;
    // The part [first, last) of `counts` of a leaf, for classes.
    int32_t first = 0;
    int32_t last = 0;

    friend bool operator==(const Node&, const Node&) = default;
  };
  struct ClassCount {
    int32_t label = 0;
    uint32_t count = 0;

    friend bool operator==(const ClassCount&, const ClassCount&) = default;
  };

  // The leaf to which the features lead.
  const Node& LeafOf(const float* features) const {
    int32_t at = 0;
    while (!nodes[at].is_leaf()) {
      const Node& node = nodes[at];
      at = features[node.feature] <= node.threshold ? at + 1 : node.right;
    }
    return nodes[at];
  }

  // The same, if the feature `changed` had that value.
  const Node& LeafOf(const float* features, int32_t changed,
                     float value) const {
    int32_t at = 0;
    while (!nodes[at].is_leaf()) {
      const Node& node = nodes[at];
      const float x = node.feature == changed ? value : features[node.feature];
      at = x <= node.threshold ? at + 1 : node.right;
    }
    return nodes[at];
  }

  friend bool operator==(const Tree&, const Tree&) = default;

  std::vector<Node> nodes;         // The root first.
  std::vector<ClassCount> counts;  // By leaf and class; none for values.
};

// Bytes of a tree, at most, per training example: a tree has no more leaves
// than examples, and no more counts.
inline constexpr int64_t kTreeBytesPerExample = 32;

// Little-endian, node after node. docs/formats/task-rows.md has them.
std::string EncodeTree(const Tree& tree);
// DataLoss: these are not the bytes of a tree for so many features and classes
// (0: values).
absl::StatusOr<Tree> DecodeTree(absl::string_view bytes, int64_t features,
                                int64_t classes);

}  // namespace ebb::workloads::forest

#endif  // EBB_WORKLOADS_FOREST_MODEL_TREE_H_

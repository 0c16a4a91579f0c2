// Grows the trees of a random forest (Breiman 2001). A tree is a function of
// (seed, number, data) alone.
//
//   EBB_ASSIGN_OR_RETURN(auto features, BinnedFeatures::Create(...));
//   TreeGrower grower(options, &features, labels);
//   const Tree tree = grower.Grow(17);
#ifndef EBB_WORKLOADS_FOREST_MODEL_TREE_GROWER_H_
#define EBB_WORKLOADS_FOREST_MODEL_TREE_GROWER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/forest/model/binned_features.h"
#include "workloads/forest/model/tree.h"

namespace ebb::workloads::forest {

struct GrowthOptions {
  uint64_t seed = 0;
  int64_t classes = 0;  // 0: labels are values.
  // Most splits from the root to a leaf; 0: any number.
  int64_t depth = 0;
  // Fewest different examples of a leaf, at least 1.
  int64_t leaf_examples = 1;
  // Features that are drawn for each split, from 1 to their number. More are
  // drawn while all so far have one value in the node.
  int64_t split_features = 1;
  // True if a tree learns from as many examples as there are, drawn with
  // replacement.
  bool bootstrap = true;
};

// How often each of `rows` examples is drawn for the tree; all once without
// bootstrap.
std::vector<uint16_t> DrawExamples(const GrowthOptions& options, int64_t tree,
                                   int64_t rows);

// Any number of threads may use it at once.
class TreeGrower {
 public:
  // Neither is owned. Labels are (rows): numbers of classes, or values.
  TreeGrower(const GrowthOptions& options, const BinnedFeatures* features,
             std::span<const float> labels);
  TreeGrower(const TreeGrower&) = delete;
  TreeGrower& operator=(const TreeGrower&) = delete;

  // If several splits lower the impurity as much, it takes that of the lowest
  // feature, and there of the lowest bin.
  Tree Grow(int64_t tree) const;

 private:
  const GrowthOptions options_;
  const BinnedFeatures& features_;
  const std::span<const float> labels_;
  double mean_ = 0;  // The mean of all labels.
};

}  // namespace ebb::workloads::forest

#endif  // EBB_WORKLOADS_FOREST_MODEL_TREE_GROWER_H_

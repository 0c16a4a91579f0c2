// The errors of the trees of a forest on the training examples that they did
// not learn from ("out of bag").
#ifndef EBB_WORKLOADS_FOREST_MODEL_OUT_OF_BAG_H_
#define EBB_WORKLOADS_FOREST_MODEL_OUT_OF_BAG_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workloads/forest/model/forest.h"
#include "workloads/forest/model/tree_grower.h"

namespace ebb::workloads::forest {

// Gathers examples [first, first + count) of the training data: features
// (count, features) and labels (count).
using ReadExamples = std::function<absl::Status(int64_t first, int64_t count,
                                                std::vector<float>* features,
                                                std::vector<float>* labels)>;

struct OutOfBag {
  // The examples that some tree did not learn from.
  int64_t examples = 0;
  // For each feature how much worse the trees predict examples that they did
  // not learn from when its values are shuffled among these (Breiman 2001). It
  // is the mean over the trees: of the share of right predictions that is lost,
  // or for values of the squared error that is added, divided by their
  // variance. It looks at as many examples as take about a second.
  std::vector<double> importances;
};

// Bytes for the draws that are held at once, beside a sample as large at most.
inline constexpr int64_t kOutOfBagBytes = int64_t{1} << 26;

// Predicts each of `rows` training examples by the trees that did not learn
// from it, and gives `add` labels and predictions (of `Forest::outputs`) of
// those for which there are such trees. Reads each example once. What trees
// drew is computed once if a bit for each example and tree fits into `bytes`,
// and else once for each part of the examples that fits. The errors of `read`.
absl::StatusOr<OutOfBag> MeasureOutOfBag(
    const Forest& forest, const GrowthOptions& options, int64_t rows,
    const ReadExamples& read,
    const std::function<void(std::span<const float> labels,
                             std::span<const float> predictions)>& add,
    int64_t bytes = kOutOfBagBytes);

}  // namespace ebb::workloads::forest

#endif  // EBB_WORKLOADS_FOREST_MODEL_OUT_OF_BAG_H_

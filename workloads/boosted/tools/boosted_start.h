// Finds what boosted trees begin with: the intervals of each feature, and the
// margins before the first tree.
#ifndef EBB_WORKLOADS_BOOSTED_TOOLS_BOOSTED_START_H_
#define EBB_WORKLOADS_BOOSTED_TOOLS_BOOSTED_START_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "workloads/boosted/base/boosted_shape.h"

namespace ebb::tools {

struct BoostedStart {
  // Intervals of the feature with the most, at least 2.
  int64_t bins = 2;
  // The upper edges of the intervals but the last, by feature: bins - 1 each. A
  // feature with fewer has the largest float for the others.
  std::vector<float> edges;
  // By output.
  std::vector<float> base;
};

// The upper edges of at most `most` intervals: between any two values if there
// are as few, else so that the intervals have about as many. Sorts the values,
// of which NaN are left out. `zeros` more values are 0.
std::vector<float> EdgesOf(std::span<float> values, int64_t zeros,
                           int64_t most);

// A function of the data and the seed, which draws a sample of large data.
// InvalidArgument: the data has keys instead of features.
absl::StatusOr<BoostedStart> ChooseBoostedStart(const data::Dataset& train,
                                                int64_t most_bins,
                                                uint64_t seed);

// The whole flat vector.
std::vector<float> BoostedInitialValues(const BoostedShape& shape,
                                        const BoostedStart& start);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_BOOSTED_TOOLS_BOOSTED_START_H_

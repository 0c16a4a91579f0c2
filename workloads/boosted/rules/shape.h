// Boosted trees as a job describes them.
#ifndef EBB_WORKLOADS_BOOSTED_RULES_SHAPE_H_
#define EBB_WORKLOADS_BOOSTED_RULES_SHAPE_H_

#include <cstdint>

#include "ebb/v1/job.pb.h"
#include "workloads/boosted/base/boosted_shape.h"

namespace ebb::workloads {

// The shape of the model, for data of so many features and classes (0: labels
// are values). The job has its defaults.
BoostedShape BoostedShapeOf(const v1::Model& model, int64_t features,
                            int64_t classes);

// The share of the examples that is kept back; 0: none, as all trees grow.
double ValidationShareOf(const v1::Model& model);

// Returns whether each tree learns from a share of examples or features only.
bool DrawsShares(const v1::Model& model);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_BOOSTED_RULES_SHAPE_H_

// Boosted trees as a job describes them.
#ifndef EBB_JOB_BOOSTED_H_
#define EBB_JOB_BOOSTED_H_

#include <cstdint>

#include "common/boosted_shape.h"
#include "ebb/v1/job.pb.h"

namespace ebb::job {

// The shape of the model, for data of so many features and classes (0: labels
// are values). The job has its defaults.
BoostedShape BoostedShapeOf(const v1::Model& model, int64_t features,
                            int64_t classes);

// The share of the examples that is kept back; 0: none, as all trees grow.
double ValidationShareOf(const v1::Model& model);

// Returns whether each tree learns from a share of examples or features only.
bool DrawsShares(const v1::Model& model);

}  // namespace ebb::job

#endif  // EBB_JOB_BOOSTED_H_

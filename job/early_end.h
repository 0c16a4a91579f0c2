// Jobs that end by themselves before their last epoch: once they converged, or
// as their evaluations say (stop, keep_best).
#ifndef EBB_JOB_EARLY_END_H_
#define EBB_JOB_EARLY_END_H_

#include "ebb/v1/job.pb.h"

namespace ebb::job {

// Returns whether `ended` is what becomes of `whole` if it ends early: the same
// job with fewer epochs, and rounds, whose operations or evaluations may end it
// (WithEnd).
bool EndsEarlyAs(const v1::Job& whole, const v1::Job& ended);

// Gives `job` the epochs, and rounds, of `whole`.
void TakeEpochs(const v1::Job& whole, v1::Job* job);

}  // namespace ebb::job

#endif  // EBB_JOB_EARLY_END_H_

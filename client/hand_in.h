// The gradient and figures that a program hands in for a batch.
#ifndef EBB_CLIENT_HAND_IN_H_
#define EBB_CLIENT_HAND_IN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "client/actions.h"
#include "client/float_pool.h"
#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb::client {

// FailedPrecondition: what a batch of the job pushes is more than the gradient
// that a program hands in, or other than it. DataLoss: the record cannot be
// read.
absl::Status CheckHandIn(const JobRecord& record);

// Returns the result of the examples [begin, end) of an item, from the sums of
// their gradients and of their losses.
ComputeResult HandIn(const JobPlan& plan, ItemId item, int64_t begin,
                     int64_t end, FloatBufferPtr gradient, double loss_sum);

// The same of a batch after which a run of the program's own steps goes on:
// what came of it is handed in with the run's last batch.
ComputeResult StepOfRun(const JobPlan& plan, ItemId item, int64_t begin,
                        int64_t end, double loss_sum);

}  // namespace ebb::client

#endif  // EBB_CLIENT_HAND_IN_H_

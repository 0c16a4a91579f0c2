// The local rule of a job, as its specification describes it.
#ifndef EBB_CLIENT_LOCAL_MATHEMATICS_H_
#define EBB_CLIENT_LOCAL_MATHEMATICS_H_

#include "absl/status/statusor.h"
#include "client/local_training.h"
#include "common/protocol/plan.h"

namespace ebb::client {

// For LocalTraining. DataLoss, FailedPrecondition: the specification cannot be
// read. InvalidArgument: there is no such algorithm, or it has no local rule.
absl::StatusOr<LocalMathematics> LocalMathematicsOf(const JobRecord& record);

}  // namespace ebb::client

#endif  // EBB_CLIENT_LOCAL_MATHEMATICS_H_

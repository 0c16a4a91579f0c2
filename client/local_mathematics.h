// The local rule of a job, as its specification describes it.
#ifndef EBB_CLIENT_LOCAL_MATHEMATICS_H_
#define EBB_CLIENT_LOCAL_MATHEMATICS_H_

#include "absl/status/statusor.h"
#include "algorithms/algorithm.h"
#include "client/local_training.h"
#include "client/trained_gradient.h"
#include "ebb/v1/job.pb.h"
#include "protocol/plan.h"

namespace ebb::client {

// For LocalTraining. DataLoss, FailedPrecondition: the specification cannot be
// read. InvalidArgument: there is no such algorithm, or it has no local rule.
absl::StatusOr<LocalMathematics> LocalMathematicsOf(const JobRecord& record);

// The same with an algorithm that the caller made, as that of a plugin, for the
// record's job.
absl::StatusOr<LocalMathematics> LocalMathematicsWith(
    const Algorithm& algorithm, const v1::Job& job, const JobRecord& record);

// For TrainedGradient. A record without a specification freezes nothing.
absl::StatusOr<TrainedParts> TrainedPartsOf(const JobRecord& record);

}  // namespace ebb::client

#endif  // EBB_CLIENT_LOCAL_MATHEMATICS_H_

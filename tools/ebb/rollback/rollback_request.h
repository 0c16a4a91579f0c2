// The request to a scheduler with which a job goes on from older versions.
#ifndef EBB_TOOLS_EBB_ROLLBACK_ROLLBACK_REQUEST_H_
#define EBB_TOOLS_EBB_ROLLBACK_ROLLBACK_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/cluster/cluster_access.h"

namespace ebb::tools {

// One of the first three.
struct RollbackWish {
  std::string to;  // A time (when.h); empty: none.
  std::optional<int64_t> versions_ago;
  // Versions that were stored later do not count: a server that starts stores
  // one under its new term. Absent: all count.
  std::optional<absl::Time> stored_by;
  std::optional<int64_t> round;  // For a job in rounds.
  std::optional<double> rate_factor;
  // The job changes, too, so a round that one partition has closed may come to
  // something else at the others.
  bool changes = false;
};

// How many of the first three are given.
int TargetsOf(const RollbackWish& wish);

// Checks that the job stored in a run's `folder`, without running daemons, has
// versions to go back to. Also OK if only a cluster can tell, as for rounds.
// Errors: those of RollbackRequestOf.
absl::Status CheckWish(const std::string& folder, const RollbackWish& wish);

// The newest versions.
RollbackWish NewestOf(const v1::GetJobResponse& job);

// Asks the job's servers, which keep the versions that are named for a while.
// Unavailable: a server does not answer. InvalidArgument: the wish does not fit
// the job. NotFound: a partition has no version that is old enough.
absl::StatusOr<v1::RollbackJobRequest> RollbackRequestOf(
    const ClusterAccess& access, const v1::GetJobResponse& job,
    const RollbackWish& wish);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_ROLLBACK_ROLLBACK_REQUEST_H_

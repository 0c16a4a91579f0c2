// Finding a job of a scheduler by what a person calls it.
#ifndef EBB_TOOLS_EBB_CLUSTER_JOBS_H_
#define EBB_TOOLS_EBB_CLUSTER_JOBS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/admin.h"
#include "tools/ebb/cluster/cluster_access.h"

namespace ebb::tools {

inline constexpr absl::Duration kAdminDeadline = absl::Seconds(5);

// The job with this number or, if it is none, the newest of this name. NotFound
// names the jobs that there are; Unavailable says where the scheduler was
// looked for; PermissionDenied: the job's token is needed.
absl::StatusOr<v1::GetJobResponse> FindJob(const ClusterAccess& access,
                                           const std::string& job);

// The facts that every client may know without the job's token. The same
// errors.
absl::StatusOr<v1::JobSummary> FindSummary(const ClusterAccess& access,
                                           const std::string& job);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_JOBS_H_

// Finds the job that a program wants to join.
#ifndef EBB_CLIENT_FOUND_JOB_H_
#define EBB_CLIENT_FOUND_JOB_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "rpc/admin.h"
#include "rpc/security.h"

namespace ebb::client {

enum class JobEnd { kNotYet, kComplete, kCancelled };

struct FoundJob {
  JobRecord record;
  JobEnd end = JobEnd::kNotYet;
};

// Finds the job of this number, or of number 0 the newest of the name. Blocks
// until the scheduler has answered, at most 10 s. NotFound: there is no
// such job. Unavailable: there is no scheduler. FailedPrecondition: the job
// needs a newer ebb.
absl::StatusOr<FoundJob> FindJob(rpc::SchedulerAdminClient* admin,
                                 absl::string_view name, JobId number = {});

// Asks whether the job is over. Errors as above; blocks for at most `patience`.
absl::StatusOr<JobEnd> AskForEnd(rpc::SchedulerAdminClient* admin, JobId job,
                                 absl::Duration patience);

// Returns what the person should know whose program joins the job and does not
// evaluate. Empty: the job has no evaluations.
std::string EvaluationsLeftToOthers(const JobRecord& record);

// Shows the job's token in `token_file` with each request; an empty name: none.
absl::Status ShowToken(const rpc::Security& security,
                       const std::string& token_file);

}  // namespace ebb::client

#endif  // EBB_CLIENT_FOUND_JOB_H_

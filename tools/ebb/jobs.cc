#include "tools/ebb/jobs.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/ebb/no_answer.h"

namespace ebb::tools {

absl::StatusOr<v1::GetJobResponse> FindJob(const ClusterAccess& access,
                                           const std::string& job) {
  if (absl::StrContains(job, '/')) {  // In no name of a job.
    std::error_code error;
    return absl::NotFoundError(
        std::filesystem::exists(job, error)
            ? absl::StrCat(job, " is no job; ebb status has the names of jobs")
            : absl::StrCat("there is no folder or file ", job,
                           ", and no name of a job has a /"));
  }
  rpc::SchedulerAdminClient client = access.Scheduler();
  v1::GetJobRequest request;
  uint64_t number = 0;
  if (absl::SimpleAtoi(job, &number)) {
    request.set_job(number);
  } else {
    request.set_name(job);
  }
  auto answer = client.GetJob(request, kAdminDeadline);
  if (!absl::IsNotFound(answer.status())) {
    if (answer.ok()) return answer;
    return WithAddress(answer.status(), access.scheduler, Asked::kToLook);
  }
  std::vector<std::string> names;
  const auto jobs = client.ListJobs({}, kAdminDeadline);
  if (jobs.ok()) {
    for (const auto& one : jobs->jobs()) names.push_back(one.name());
  }
  return absl::NotFoundError(
      absl::StrCat("there is no job ", job, " at ", access.scheduler,
                   names.empty() ? "; there is none at all" : "; there are: ",
                   absl::StrJoin(names, ", ")));
}

}  // namespace ebb::tools

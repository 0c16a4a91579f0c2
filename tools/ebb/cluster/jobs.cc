#include "tools/ebb/cluster/jobs.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "tools/ebb/status/no_answer.h"

namespace ebb::tools {

namespace {

absl::Status CheckName(const std::string& job) {
  if (!IsUtf8(job)) {  // Nor is that, and no message bears it.
    return absl::NotFoundError(
        absl::StrCat("there is no job \"", absl::CHexEscape(job), "\""));
  }
  if (absl::StrContains(job, '/')) {  // In no name of a job.
    std::error_code error;
    return absl::NotFoundError(
        std::filesystem::exists(job, error)
            ? absl::StrCat(job, " is no job; ebb status has the names of jobs")
            : absl::StrCat("there is no folder or file ", job,
                           ", and no name of a job has a /", IsItPath(job)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::GetJobResponse> FindJob(const ClusterAccess& access,
                                           const std::string& job) {
  EBB_RETURN_IF_ERROR(CheckName(job));
  rpc::SchedulerAdminClient client = access.Scheduler();
  v1::GetJobRequest request;
  uint64_t number = 0;
  if (absl::SimpleAtoi(job, &number)) {
    request.set_job(number);
  } else if (access.security->tokens() != nullptr) {
    // Its token is known by its number. What is not found is asked for all the
    // same, and said to be missing.
    const auto summary = FindSummary(access, job);
    if (summary.ok()) request.set_job(summary->job());
  }
  if (request.job() == 0) request.set_name(job);
  auto answer = client.GetJob(request, kAdminDeadline);
  if (!absl::IsNotFound(answer.status())) {
    if (answer.ok()) return answer;
    return WithAddress(answer.status(), access.scheduler, Asked::kToLook);
  }
  const auto summary = FindSummary(access, job);
  return summary.ok() ? answer.status() : summary.status();
}

absl::StatusOr<v1::JobSummary> FindSummary(const ClusterAccess& access,
                                           const std::string& job) {
  EBB_RETURN_IF_ERROR(CheckName(job));
  const auto jobs = access.Scheduler().ListJobs({}, kAdminDeadline);
  if (!jobs.ok()) {
    return WithAddress(jobs.status(), access.scheduler, Asked::kToLook);
  }
  uint64_t number = 0;
  const bool by_number = absl::SimpleAtoi(job, &number);
  std::vector<std::string> names;
  for (const v1::JobSummary& one : jobs->jobs()) {
    if (by_number ? one.job() == number : one.name() == job) return one;
    names.push_back(one.name());
  }
  const std::string near = NearestName(job, names);
  return absl::NotFoundError(absl::StrCat(
      "there is no job ", job, " at ", access.scheduler,
      names.empty() ? "; there is none at all"
                    : absl::StrCat(near.empty() ? "; there are: "
                                                : absl::StrCat("; is it ", near,
                                                               "? There are: "),
                                   absl::StrJoin(names, ", "))));
}

}  // namespace ebb::tools

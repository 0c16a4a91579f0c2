#include "client/found_job.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/tls/job_token.h"
#include "rpc/convert.h"

namespace ebb::client {

namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

JobEnd EndOf(v1::JobState state) {
  if (state == v1::JOB_STATE_COMPLETE) return JobEnd::kComplete;
  if (state == v1::JOB_STATE_CANCELLED) return JobEnd::kCancelled;
  return JobEnd::kNotYet;
}

}  // namespace

absl::StatusOr<FoundJob> FindJob(rpc::SchedulerAdminClient* admin,
                                 absl::string_view name, JobId number) {
  v1::GetJobRequest request;
  request.set_job(number.value());
  request.set_name(std::string(name));
  EBB_ASSIGN_OR_RETURN(const v1::GetJobResponse found,
                       admin->GetJob(request, kPatience));
  EBB_ASSIGN_OR_RETURN(JobRecord record, rpc::FromProto(found.record()));
  return FoundJob{std::move(record), EndOf(found.summary().state())};
}

absl::StatusOr<JobEnd> AskForEnd(rpc::SchedulerAdminClient* admin, JobId job,
                                 absl::Duration patience) {
  v1::GetJobRequest request;
  request.set_job(job.value());
  EBB_ASSIGN_OR_RETURN(const v1::GetJobResponse now,
                       admin->GetJob(request, patience));
  return EndOf(now.summary().state());
}

std::string EvaluationsLeftToOthers(const JobRecord& record) {
  if (record.plan.evaluate_every <= 0) return "";
  return absl::StrCat(
      "job ", record.name,
      " has evaluations, and this program makes none: start a program that "
      "evaluates beside it, or the job ends without them");
}

absl::Status ShowToken(const rpc::Security& security,
                       const std::string& token_file) {
  if (security.tokens() == nullptr || token_file.empty()) {
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(std::string token, ReadJobToken(token_file));
  security.tokens()->SetFind(
      [token = std::move(token)](JobId) { return std::string(token); });
  return absl::OkStatus();
}

}  // namespace ebb::client

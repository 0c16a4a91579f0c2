#include "tools/ebb/run/run_job.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "rpc/admin.h"
#include "rpc/data_sets.h"
#include "rpc/job_tokens.h"
#include "tools/ebb/cluster/token_files.h"
#include "tools/ebb/report/run_facts.h"
#include "tools/ebb/rollback/rollback_request.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kAnswer = absl::Seconds(5);
// A scheduler that has just started may not answer at once.
constexpr absl::Duration kFirstAnswer = absl::Seconds(20);

constexpr char kTokenFile[] = "token";

// A run without TLS has none.
bool HasTokens(const rpc::SecurityPtr& security) {
  return security != nullptr && security->tokens() != nullptr;
}

// The job is another from there on.
void SetChange(const PreparedJob& prepared,
               const std::vector<std::string>& keys,
               v1::RollbackJobRequest* request) {
  request->set_what(absl::StrCat(request->what(), " with another ",
                                 absl::StrJoin(keys, ", ")));
  const v1::SubmitJobRequest now = SubmitRequestOf(prepared, "none");
  auto* change = request->mutable_change();
  *change->mutable_plan() = now.plan();
  change->set_specification(now.specification());
  change->set_source(now.source());
}

}  // namespace

absl::Status RunJob::Submit(const PreparedJob& prepared,
                            const RunFolder& folder) {
  PreparedJob job = prepared;
  if (HasTokens(security_)) {
    EBB_ASSIGN_OR_RETURN(const std::string token, TakeToken(folder));
    rpc::SetTokenHash(token, &job.record);
  }
  if (job.initial != nullptr) {
    rpc::DataSetsClient values(scheduler_, security_);
    EBB_RETURN_IF_ERROR(job.initial->Push(&values));
  }
  const auto answer =
      rpc::SchedulerAdminClient(scheduler_, security_)
          .SubmitJob(SubmitRequestOf(job, NewRequestId()), kFirstAnswer);
  if (!answer.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the scheduler does not take the job: ", answer.status().message()));
  }
  id_ = answer->job();
  return absl::OkStatus();
}

absl::StatusOr<bool> RunJob::GoOn(const PreparedJob& prepared,
                                  const RunFolder& folder, bool skip,
                                  const std::optional<RollbackWish>& back) {
  // A run that began before there were tokens has none.
  std::error_code error;
  if (HasTokens(security_) &&
      std::filesystem::exists(folder.File(kTokenFile), error)) {
    EBB_RETURN_IF_ERROR(TakeToken(folder).status());
  }
  rpc::SchedulerAdminClient client(scheduler_, security_);
  v1::GetJobRequest request;
  request.set_name(prepared.record.name);
  EBB_ASSIGN_OR_RETURN(const v1::GetJobResponse stored,
                       client.GetJob(request, kFirstAnswer));
  id_ = stored.record().id();
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> keys,
                       ChangesOf(folder, stored.record().specification(),
                                 prepared.record.specification));
  if (!keys.empty() || back) {
    EBB_RETURN_IF_ERROR(
        Change(stored, prepared, keys, back.value_or(NewestOf(stored))));
  }
  v1::GetStatusRequest ask;
  ask.set_job(id_);
  EBB_ASSIGN_OR_RETURN(const v1::GetStatusResponse status,
                       client.GetStatus(ask, kAnswer));
  if (status.jobs().empty()) {
    return absl::InternalError(absl::StrCat("the scheduler has job ", id_,
                                            ", and says nothing of it"));
  }
  EBB_RETURN_IF_ERROR(Reopen(status.jobs(0), skip));
  return !status.jobs(0).quarantined().empty();
}

absl::Status RunJob::Reopen(const v1::JobStatus& status, bool skip) const {
  rpc::SchedulerAdminClient client(scheduler_, security_);
  const uint64_t job = status.summary().job();
  for (const auto& bad : status.quarantined()) {
    v1::ResolveItemRequest resolve;
    resolve.set_job(job);
    *resolve.mutable_item() = bad.item();
    resolve.set_decision(skip && bad.failed_end() > bad.position()
                             ? v1::ResolveItemRequest::DECISION_SKIP
                             : v1::ResolveItemRequest::DECISION_RETRY);
    EBB_RETURN_IF_ERROR(client.ResolveItem(resolve, kAnswer).status());
  }
  if (!status.paused_for_divergence()) return absl::OkStatus();
  v1::ResumeJobRequest resume;
  resume.set_job(job);
  return client.ResumeJob(resume, kAnswer).status();
}

absl::StatusOr<v1::GetJobResponse> RunJob::Stored() const {
  v1::GetJobRequest request;
  request.set_job(id_);
  return rpc::SchedulerAdminClient(scheduler_, security_)
      .GetJob(request, kAnswer);
}

absl::StatusOr<v1::GetStatusResponse> RunJob::All() const {
  return rpc::SchedulerAdminClient(scheduler_, security_)
      .GetStatus({}, kAnswer);
}

absl::Status RunJob::Change(const v1::GetJobResponse& stored,
                            const PreparedJob& prepared,
                            const std::vector<std::string>& keys,
                            RollbackWish wish) {
  constexpr absl::Duration kServersCome = absl::Seconds(60);
  constexpr absl::Duration kLookAgain = absl::Milliseconds(100);
  ClusterAccess access;
  access.scheduler = scheduler_;
  access.security = security_;
  wish.changes = !keys.empty();
  const absl::Time limit = SteadyNow() + kServersCome;
  for (;;) {
    // This is asked first: a server that loads while the versions are listed
    // lists none.
    const bool all_served = AllServed();
    auto request = RollbackRequestOf(access, stored, wish);
    absl::Status done = request.status();
    if (request.ok()) {
      if (!keys.empty()) SetChange(prepared, keys, &*request);
      done = access.Scheduler().RollbackJob(*request, kAnswer).status();
    }
    // Servers load what they have, or hand it over; until they have, they list
    // no version.
    const bool passes = absl::IsUnavailable(done) || absl::IsAborted(done) ||
                        (absl::IsNotFound(done) && !all_served);
    if (!passes || SteadyNow() > limit) return done;
    absl::SleepFor(kLookAgain);
  }
}

bool RunJob::AllServed() const {
  v1::GetStatusRequest ask;
  ask.set_job(id_);
  const auto status =
      rpc::SchedulerAdminClient(scheduler_, security_).GetStatus(ask, kAnswer);
  return status.ok() && !status->jobs().empty() &&
         status->jobs(0).placement().partitions_size() ==
             status->jobs(0).partitions();
}

absl::StatusOr<AuditReport> RunJob::Audit() const {
  EBB_ASSIGN_OR_RETURN(const v1::GetJobResponse stored, Stored());
  return FetchAudit(stored, kAnswer, security_);
}

absl::StatusOr<std::string> RunJob::TakeToken(const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(const TokenToSubmit taken,
                       TokenToSubmit::Take(folder.File(kTokenFile),
                                           /*folder=*/"", /*request_id=*/""));
  security_->tokens()->SetFind(
      [token = taken.token()](JobId) { return token; });
  return taken.token();
}

}  // namespace ebb::tools

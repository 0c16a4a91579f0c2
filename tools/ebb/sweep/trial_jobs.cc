#include "tools/ebb/sweep/trial_jobs.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "rpc/admin.h"
#include "rpc/data_sets.h"
#include "rpc/job_tokens.h"
#include "sweep/trial_file.h"
#include "tools/ebb/cluster/token_files.h"
#include "tools/text/evaluation_text.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kAnswer = absl::Seconds(5);

sweep::TrialState StateOf(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_COMPLETE:
      return sweep::TrialState::kComplete;
    case v1::JOB_STATE_CANCELLED:
      return sweep::TrialState::kStopped;
    default:
      return sweep::TrialState::kRunning;
  }
}

// True if the job runs, but nothing trains it now.
bool IsIdle(const v1::JobStatus& status) {
  switch (status.summary().state()) {
    case v1::JOB_STATE_WAITING:
    case v1::JOB_STATE_PAUSED:
      return true;
    case v1::JOB_STATE_RUNNING:
      return status.workers() == 0;
    default:
      return false;
  }
}

// Why the job will not go on by itself; empty: it will, or an operator paused
// it.
std::string TroubleOf(const v1::JobStatus& status) {
  const v1::JobState state = status.summary().state();
  if (state != v1::JOB_STATE_PAUSED && state != v1::JOB_STATE_CANCELLED) {
    return "";
  }
  if (!status.quarantined().empty()) return status.quarantined(0).error();
  if (status.paused_for_divergence()) {
    return status.divergence().empty() ? "training diverges"
                                       : status.divergence();
  }
  return "";
}

}  // namespace

absl::StatusOr<sweep::Choices> TrialJobs::ChoicesOf(int64_t number,
                                                    const v1::JobSummary& job) {
  const auto known = choices_.find(job.job());
  if (known != choices_.end()) return known->second;
  if (tokens_ && tokens_->file.empty()) {
    EBB_RETURN_IF_ERROR(TokenToSubmit::KeepAnswered(
        tokens_->folder, sweep::RequestId(file_.sweep.name, number),
        JobId(job.job())));
  }
  v1::GetJobRequest request;
  request.set_job(job.job());
  EBB_ASSIGN_OR_RETURN(const v1::GetJobResponse answer,
                       rpc::SchedulerAdminClient(scheduler_, security_)
                           .GetJob(request, kAnswer));
  const auto header = sweep::ReadTrialHeader(answer.source());
  if (!header || header->definition != sweep::DefinitionOf(file_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the scheduler at ", scheduler_, " has the job ", job.name(),
        header
            ? ", a trial of a sweep of this name with another space, method, "
              "seed, metric or job"
            : ", which is no trial of a sweep",
        ".\nhint: give this sweep another name, or forget those jobs (`ebb "
        "forget`)"));
  }
  return choices_[job.job()] = header->choices;
}

absl::StatusOr<sweep::Trial> TrialJobs::TrialOf(int64_t number,
                                                const v1::JobStatus& status) {
  sweep::Trial trial;
  const v1::JobSummary& summary = status.summary();
  trial.number = number;
  trial.job = summary.job();
  EBB_ASSIGN_OR_RETURN(trial.choices, ChoicesOf(number, summary));
  trial.state = StateOf(summary.state());
  trial.epochs = summary.epochs();
  trial.examples = status.applied_min();
  // A scheduler that has just started has not heard of it from the servers yet.
  if (trial.state == sweep::TrialState::kComplete && trial.examples == 0) {
    trial.examples = status.examples();
  }
  trial.began_unix_ms = summary.submitted_unix_ms();
  trial.ended_unix_ms = summary.finished_unix_ms();
  trial.idle = IsIdle(status);
  trial.trouble = TroubleOf(status);
  trial.positive_class = status.positive_class();
  for (const auto& evaluation : status.evaluations()) {
    if (!evaluation.error().empty()) continue;
    const auto figure = FigureOf(evaluation, file_.sweep.metric);
    if (!figure) {
      std::vector<std::string> names;
      for (const ShownFigure& shown : ShownFigures(evaluation)) {
        names.push_back(shown.name);
      }
      return absl::FailedPreconditionError(
          absl::StrCat("the evaluations of ", summary.name(), " have no ",
                       file_.sweep.metric, ".\nhint: metric: ",
                       names.empty() ? "loss" : absl::StrJoin(names, ", or ")));
    }
    trial.measured.push_back({evaluation.epoch() + 1,
                              evaluation.finished_unix_ms(),
                              sweep::Directed(file_.sweep, *figure)});
    trial.figures.clear();
    for (const ShownFigure& shown : ShownFigures(evaluation)) {
      trial.figures.push_back({shown.name, shown.value});
    }
  }
  return trial;
}

absl::StatusOr<std::vector<sweep::Trial>> TrialJobs::Read() {
  EBB_ASSIGN_OR_RETURN(
      v1::GetStatusResponse status,
      rpc::SchedulerAdminClient(scheduler_, security_).GetStatus({}, kAnswer));
  std::map<int64_t, sweep::Trial> trials;
  for (v1::JobStatus& job : *status.mutable_jobs()) {
    const auto number =
        sweep::NumberOfTrial(file_.sweep.name, job.summary().name());
    if (!number) continue;
    marks_[job.summary().job()].Mend(&job);
    EBB_ASSIGN_OR_RETURN(sweep::Trial trial, TrialOf(*number, job));
    const auto [first, is_new] = trials.emplace(*number, trial);
    if (is_new) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the jobs ", first->second.job, " and ", trial.job,
                     " are both called ", job.summary().name(),
                     ".\nhint: forget the one that the sweep did not submit "
                     "(`ebb forget`)"));
  }
  std::vector<sweep::Trial> sorted;
  for (auto& [number, trial] : trials) sorted.push_back(std::move(trial));
  return sorted;
}

absl::Status TrialJobs::Submit(int64_t number, const PreparedJob& prepared) {
  if (prepared.initial != nullptr) {
    rpc::DataSetsClient values(scheduler_, security_);
    EBB_RETURN_IF_ERROR(prepared.initial->Push(&values));
  }
  const std::string id = sweep::RequestId(file_.sweep.name, number);
  v1::SubmitJobRequest request = SubmitRequestOf(prepared, id);
  std::optional<TokenToSubmit> token;
  if (tokens_) {
    EBB_ASSIGN_OR_RETURN(
        token, TokenToSubmit::Take(tokens_->file, tokens_->folder, id));
    PreparedJob job = prepared;
    rpc::SetTokenHash(token->token(), &job.record);
    request = SubmitRequestOf(job, id);
  }
  const auto answer = rpc::SchedulerAdminClient(scheduler_, security_)
                          .SubmitJob(request, kAnswer);
  if (!answer.ok()) {
    // A scheduler that did not answer may have taken the job.
    const bool refused = absl::IsInvalidArgument(answer.status()) ||
                         absl::IsAlreadyExists(answer.status()) ||
                         absl::IsPermissionDenied(answer.status());
    if (token && refused) token->Drop();
    return answer.status();
  }
  if (!token) return absl::OkStatus();
  return token->Keep(JobId(answer->job())).status();
}

absl::Status TrialJobs::Cancel(uint64_t job) {
  v1::CancelJobRequest request;
  request.set_job(job);
  const absl::Status cancelled =
      rpc::SchedulerAdminClient(scheduler_, security_)
          .CancelJob(request, kAnswer)
          .status();
  return absl::IsFailedPrecondition(cancelled) ? absl::OkStatus() : cancelled;
}

}  // namespace ebb::tools

#include "tools/ebb/predict/cluster_prediction.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "rpc/admin.h"
#include "rpc/job_tokens.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/cluster/token_files.h"
#include "tools/ebb/run/screen.h"
#include "tools/ebb/run/stopped_job.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kLook = absl::Milliseconds(500);
// After the job is complete, for servers that are just coming back.
constexpr absl::Duration kAuditLimit = absl::Seconds(60);

absl::StatusOr<uint64_t> Submit(const ClusterAccess& access, PreparedJob job,
                                const std::string& request_id) {
  std::optional<TokenToSubmit> token;
  if (access.security->tls()) {
    EBB_ASSIGN_OR_RETURN(
        token, TokenToSubmit::Take(/*file=*/"", TokenFolder(), request_id));
    rpc::SetTokenHash(token->token(), &job.record);
  }
  const auto answer = access.Scheduler().SubmitJob(
      SubmitRequestOf(job, request_id), kAdminDeadline);
  if (!answer.ok()) {
    return WithAddress(answer.status(), access.scheduler, Asked::kToChange);
  }
  if (token) EBB_RETURN_IF_ERROR(token->Keep(JobId(answer->job())).status());
  return answer->job();
}

bool IsAway(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

// A server that has just come back may not answer yet.
bool AllAnswered(const AuditReport& audit) {
  return std::ranges::none_of(audit.partitions, [](const PartitionAudit& one) {
    return one.server < 0;
  });
}

}  // namespace

absl::StatusOr<ClusterPrediction> PredictOnCluster(
    const ClusterAccess& access, const PreparedJob& prepared,
    const std::string& request_id, const ClusterPredictionOptions& options) {
  // Before any thread: they hold back the same signals.
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  EBB_ASSIGN_OR_RETURN(const uint64_t job,
                       Submit(access, prepared, request_id));
  Screen screen(DetectConsole(), options.quiet, stdout);
  screen.Print(absl::StrCat(prepared.record.name, " is job ", job, "\n"));
  ClusterPrediction result;
  v1::GetStatusRequest ask;
  ask.set_job(job);
  absl::Time completed = absl::InfiniteFuture();
  bool looked = !options.known;
  for (;;) {
    const auto answer = access.Scheduler().GetStatus(ask, kAdminDeadline);
    const absl::Time now = SteadyNow();
    if (!answer.ok() && !IsAway(answer.status())) return answer.status();
    if (answer.ok() && answer->jobs().empty()) {
      return absl::NotFoundError(
          absl::StrCat("the scheduler does not know job ", job, " any more"));
    }
    if (answer.ok()) {
      result.status = answer->jobs(0);
      Progress progress = ProgressOf(*answer, 0, 0);
      progress.predicts = true;
      screen.Show(progress, now);
      const v1::JobSummary& summary = result.status.summary();
      if (!std::exchange(looked, true)) {
        result.had_ended = summary.state() == v1::JOB_STATE_CANCELLED ||
                           summary.state() == v1::JOB_STATE_COMPLETE;
        if (result.had_ended && !result.status.skipped().empty()) return result;
      }
      if (summary.state() == v1::JOB_STATE_CANCELLED) {
        result.problems.push_back(
            "the job was cancelled; the same command predicts what is missing");
        return result;
      }
      if (std::string why = WhyStopped(result.status); !why.empty()) {
        result.problems.push_back(absl::StrCat(why, "\nhint: `ebb explain ",
                                               job, "`, then `ebb resume ", job,
                                               "` or `ebb cancel ", job, "`"));
        return result;
      }
      if (summary.state() == v1::JOB_STATE_COMPLETE) {
        completed = std::min(completed, now);
        constexpr double kMs = 1e-3;
        result.seconds = kMs * static_cast<double>(summary.finished_unix_ms() -
                                                   summary.submitted_unix_ms());
        v1::GetJobRequest request;
        request.set_job(job);
        const auto stored = access.Scheduler().GetJob(request, kAdminDeadline);
        if (stored.ok()) {
          auto audit = FetchAudit(*stored, kAdminDeadline, access.security);
          if (audit.ok()) result.audit = *std::move(audit);
        }
        const bool answered = result.audit && AllAnswered(*result.audit);
        if (answered || now - completed > kAuditLimit) return result;
      }
    }
    if (signals.Wait(kLook).interrupts > 0) {
      result.interrupted = true;
      return result;
    }
  }
}

}  // namespace ebb::tools

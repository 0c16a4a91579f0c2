// `ebb resume`.
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

struct ResumeFlags : AskingFlags {
  bool skip = false;
};

int Resume(const ResumeFlags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  if (job->summary().state() == v1::JOB_STATE_CANCELLED) {
    return Report(absl::FailedPreconditionError(
        absl::StrCat(job->record().name(), " (job ", job->record().id(),
                     ") is cancelled, and cannot be resumed; submit it anew")));
  }
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::GetStatusRequest ask;
  ask.set_job(job->record().id());
  const auto status = client.GetStatus(ask, kAdminDeadline);
  if (!status.ok()) {
    return Report(
        WithAddress(status.status(), flags.access.scheduler, Asked::kToLook));
  }
  const bool quarantined =
      !status->jobs().empty() && !status->jobs(0).quarantined().empty();
  if (!status->jobs().empty() && status->jobs(0).paused_by_operator()) {
    v1::ResumeJobRequest request;
    request.set_job(job->record().id());
    const auto resumed = client.ResumeJob(request, kAdminDeadline);
    if (!resumed.ok()) {
      return Report(WithAddress(resumed.status(), flags.access.scheduler,
                                Asked::kToChange));
    }
    std::cout << job->record().name() << " (job " << job->record().id()
              << (quarantined ? ") is paused by no operator any more\n"
                              : ") goes on\n");
  } else if (!quarantined) {
    std::cout << flags.job << " is not paused, and nothing of " << flags.job
              << " is quarantined\n";
  }
  if (!quarantined) return kExitGood;
  for (const auto& bad : status->jobs(0).quarantined()) {
    v1::ResolveItemRequest request;
    request.set_job(job->record().id());
    *request.mutable_item() = bad.item();
    request.set_decision(flags.skip ? v1::ResolveItemRequest::DECISION_SKIP
                                    : v1::ResolveItemRequest::DECISION_RETRY);
    const auto resolved = client.ResolveItem(request, kAdminDeadline);
    if (!resolved.ok()) {
      return Report(WithAddress(resolved.status(), flags.access.scheduler,
                                Asked::kToChange));
    }
    std::cout
        << "item " << ItemName(bad.item().epoch(), bad.item().shard())
        << (flags.skip
                ? ": its failing batch is skipped, unless a server has it\n"
                : ": tried again\n");
  }
  return kExitGood;
}

}  // namespace

void AddResumeCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<ResumeFlags>();
  CLI::App* command = AddJobAsking(
      app, "resume", "Resumes a job that is paused or waits for a decision",
      flags.get(), [flags] { return Resume(*flags); }, exit_code);
  command->add_flag("--skip", flags->skip,
                    "Skip the failing batches instead of trying them again");
  command->footer(R"(
For jobs paused by ebb pause, or because an item kept failing (see ebb status).
Example:
  ebb resume --scheduler localhost:7000 fashion-mlp --skip)");
}

}  // namespace ebb::tools

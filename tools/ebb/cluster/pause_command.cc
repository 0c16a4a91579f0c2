// `ebb pause`.
#include <iostream>
#include <memory>

#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"

namespace ebb::tools {

namespace {

int Pause(const AskingFlags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::GetStatusRequest ask;
  ask.set_job(job->record().id());
  const auto status = client.GetStatus(ask, kAdminDeadline);
  if (!status.ok()) {
    return Report(
        WithAddress(status.status(), flags.access.scheduler, Asked::kToLook));
  }
  const bool already =
      !status->jobs().empty() && status->jobs(0).paused_by_operator();
  v1::PauseJobRequest request;
  request.set_job(job->record().id());
  const auto paused = client.PauseJob(request, kAdminDeadline);
  if (!paused.ok()) {
    return Report(
        WithAddress(paused.status(), flags.access.scheduler, Asked::kToChange));
  }
  std::cout << job->record().name() << " (job " << job->record().id()
            << (already ? ") is paused already" : ") is paused")
            << ": its workers are free for other jobs, and the "
               "servers keep it. `ebb resume "
            << job->record().id() << "` lets it go on.\n";
  return kExitGood;
}

}  // namespace

void AddPauseCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<AskingFlags>();
  CLI::App* command = AddJobAsking(
      app, "pause", "Stops the training of a job for a while", flags.get(),
      [flags] { return Pause(*flags); }, exit_code);
  command->footer(R"(
Its workers drop it at once and are free for other jobs; their work is kept and
made durable. The pause lasts until ebb resume, also over restarts.
Example:
  ebb pause --scheduler localhost:7000 fashion-mlp)");
}

}  // namespace ebb::tools

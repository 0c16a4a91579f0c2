// `ebb cancel`.
#include <iostream>
#include <memory>

#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"

namespace ebb::tools {

namespace {

int Cancel(const AskingFlags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::CancelJobRequest request;
  request.set_job(job->record().id());
  const auto cancelled = client.CancelJob(request, kAdminDeadline);
  if (!cancelled.ok()) {
    return Report(WithAddress(cancelled.status(), flags.access.scheduler,
                              Asked::kToChange));
  }
  const std::string& name = job->record().name();
  std::cout << name << " (job " << job->record().id()
            << ") is cancelled: nothing more of it is trained, and it cannot "
               "be resumed.\n"
               "Its checkpoints stay with the servers: `ebb checkpoint list "
            << job->record().id()
            << "` shows them, `ebb checkpoint export` writes the newest model. "
               "What was applied after them may be lost.\n";
  return kExitGood;
}

}  // namespace

void AddCancelCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<AskingFlags>();
  CLI::App* command = AddJobAsking(
      app, "cancel", "Ends a job for good", flags.get(),
      [flags] { return Cancel(*flags); }, exit_code);
  command->footer(R"(
Workers drop it. Its checkpoints stay with the servers; you can list and export
them, and predict with them. A cancelled job cannot be resumed: submit it anew.
Example:
  ebb cancel --scheduler localhost:7000 fashion-mlp)");
}

}  // namespace ebb::tools

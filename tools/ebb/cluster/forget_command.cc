// `ebb forget`.
#include <iostream>
#include <memory>

#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"

namespace ebb::tools {

namespace {

struct ForgetFlags : AskingFlags {
  bool versions = false;
};

int Forget(const ForgetFlags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::ForgetJobRequest request;
  request.set_job(job->record().id());
  request.set_versions(flags.versions);
  const auto forgotten = client.ForgetJob(request, kAdminDeadline);
  if (!forgotten.ok()) {
    return Report(WithAddress(forgotten.status(), flags.access.scheduler,
                              Asked::kToChange));
  }
  std::cout << job->record().name() << " (job " << job->record().id()
            << ") is forgotten"
            << (flags.versions
                    ? ": its versions are deleted, and those of servers that "
                      "are away when they come back\n"
                    : "; what servers stored of it stays in their folders, "
                      "where `ebb checkpoint` and `ebb predict` find it\n");
  return kExitGood;
}

}  // namespace

void AddForgetCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<ForgetFlags>();
  CLI::App* command = AddJobAsking(
      app, "forget", "Forgets a job that is complete or cancelled", flags.get(),
      [flags] { return Forget(*flags); }, exit_code);
  command->add_flag("--versions", flags->versions,
                    "Also delete its stored versions");
  command->footer(R"(
The scheduler no longer lists the job, and servers free its memory. Without
--versions its model stays in the servers' folders. This cannot be undone.
Example:
  ebb forget --scheduler localhost:7000 fashion-mlp --versions)");
}

}  // namespace ebb::tools

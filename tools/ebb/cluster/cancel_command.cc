// `ebb cancel`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "ebb/v1/specification.pb.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"

namespace ebb::tools {

namespace {

// Says what became of a cancelled job's work, and how the job goes on.
std::string WhatStays(const v1::JobRecord& record) {
  v1::Specification specification;
  if (specification.ParseFromString(record.specification()) &&
      specification.job().has_predict()) {
    return absl::StrCat(
        "nothing more of it is predicted.\nThe parts that are written stay in ",
        specification.job().predict().to(),
        ". The `ebb predict` command that submitted it predicts what is "
        "missing when you repeat it, as another job.");
  }
  return absl::StrCat(
      "nothing more of it is trained, and it cannot be resumed.\n"
      "Its checkpoints stay with the servers: `ebb checkpoint list ",
      record.id(),
      "` shows them, `ebb checkpoint export` writes the newest model. What was "
      "applied after them may be lost.");
}

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
  std::cout << job->record().name() << " (job " << job->record().id()
            << ") is cancelled: " << WhatStays(job->record()) << "\n";
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
If the job predicts, its parts stay, and the same ebb predict command goes on.
Example:
  ebb cancel --scheduler localhost:7000 fashion-mlp)");
}

}  // namespace ebb::tools

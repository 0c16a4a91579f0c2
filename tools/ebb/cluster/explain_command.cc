// `ebb explain`.
#include <iostream>
#include <memory>

#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/ebb/status/status_text.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

int Explain(const AskingFlags& flags) {
  const auto job = FindSummary(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::ExplainRequest request;
  request.set_job(job->job());
  const auto explanation = client.Explain(request, kAdminDeadline);
  if (!explanation.ok()) {
    return Report(WithAddress(explanation.status(), flags.access.scheduler,
                              Asked::kToLook));
  }
  const v1::JobState state = job->state();
  std::cout << (flags.json ? ExplainJson(*explanation, state).ToString()
                           : ExplainText(*explanation, state, DetectConsole()));
  return kExitGood;
}

}  // namespace

void AddExplainCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<AskingFlags>();
  CLI::App* command = AddJobAsking(
      app, "explain",
      "Explains why a job does not advance: what "
      "waits for what, and what to do",
      flags.get(), [flags] { return Explain(*flags); }, exit_code);
  AddJsonFlag(command, &flags->json);
  command->footer(R"(
Example:
  ebb explain --scheduler localhost:7000 fashion-mlp)");
}

}  // namespace ebb::tools

// `ebb explain`.
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/ebb/status/status_json.h"
#include "tools/ebb/status/status_text.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

absl::StatusOr<v1::ExplainResponse> ExplanationOf(const AskingFlags& flags,
                                                  uint64_t job) {
  v1::ExplainRequest request;
  request.set_job(job);
  auto explanation = flags.access.Scheduler().Explain(request, kAdminDeadline);
  if (explanation.ok()) return explanation;
  return WithAddress(explanation.status(), flags.access.scheduler,
                     Asked::kToLook);
}

int ExplainOne(const AskingFlags& flags) {
  const auto job = FindSummary(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  const auto explanation = ExplanationOf(flags, job->job());
  if (!explanation.ok()) return Report(explanation.status());
  const v1::JobState state = job->state();
  std::cout << (flags.json ? ExplainJson(*explanation, state).ToString()
                           : ExplainText(*explanation, state, DetectConsole()));
  return kExitGood;
}

// Jobs that are over are told of only if something is to be done about them.
bool IsWorthTelling(const v1::JobSummary& job,
                    const v1::ExplainResponse& explanation) {
  const bool over = job.state() == v1::JOB_STATE_COMPLETE ||
                    job.state() == v1::JOB_STATE_CANCELLED;
  return !over || !explanation.reasons().empty();
}

int ExplainAll(const AskingFlags& flags) {
  const auto jobs = flags.access.Scheduler().ListJobs({}, kAdminDeadline);
  if (!jobs.ok()) {
    return Report(
        WithAddress(jobs.status(), flags.access.scheduler, Asked::kToLook));
  }
  Json list = Json::List();
  std::string text;
  for (const v1::JobSummary& job : jobs->jobs()) {
    const auto explanation = ExplanationOf(flags, job.job());
    // It was forgotten meanwhile.
    if (absl::IsNotFound(explanation.status())) continue;
    if (!explanation.ok()) return Report(explanation.status());
    Json one = ExplainJson(*explanation, job.state());
    one["name"] = job.name();
    one["job"] = job.job();
    list.Add(std::move(one));
    if (!IsWorthTelling(job, *explanation)) continue;
    absl::StrAppend(&text, text.empty() ? "" : "\n", job.name(), " (",
                    job.job(), ")\n",
                    ExplainText(*explanation, job.state(), DetectConsole()));
  }
  if (flags.json) {
    Json json = Json::Object();
    json["jobs"] = std::move(list);
    std::cout << json.ToString();
  } else if (text.empty()) {
    std::cout << (jobs->jobs().empty() ? "There is no job.\n"
                                       : "All jobs are over; nothing waits.\n");
  } else {
    std::cout << text;
  }
  return kExitGood;
}

int Explain(const AskingFlags& flags) {
  return flags.job.empty() ? ExplainAll(flags) : ExplainOne(flags);
}

}  // namespace

void AddExplainCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<AskingFlags>();
  CLI::App* command = AddAsking(
      app, "explain",
      "Explains why jobs do not advance: what waits for what, and what to do",
      flags.get(), [flags] { return Explain(*flags); }, exit_code);
  command->add_option("JOB", flags->job,
                      "Name or number of a job (all that are not over), or the "
                      "folder of a run that goes on");
  AddJsonFlag(command, &flags->json);
  command->footer(R"(
Examples:
  ebb explain --scheduler localhost:7000
  ebb explain --scheduler localhost:7000 fashion-mlp)");
}

}  // namespace ebb::tools

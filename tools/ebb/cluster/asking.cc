#include "tools/ebb/cluster/asking.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

// Takes the folder of a run, which may stand for all jobs of its scheduler.
absl::Status TakeRunFolder(AskingFlags* flags) {
  const std::string file = flags->job + "/scheduler.address";
  std::error_code error;
  if (flags->job.empty() || !std::filesystem::exists(file, error)) {
    return absl::OkStatus();
  }
  const auto record = ReadFile(flags->job + "/run");
  if (record.ok() && absl::StrContains(*record, "complete 1\n")) {
    return absl::FailedPreconditionError(
        absl::StrCat("the run in ", flags->job, " is complete, and has no ",
                     "daemons: its report is ", flags->job, "/report.html"));
  }
  EBB_ASSIGN_OR_RETURN(const std::string address, ReadFile(file));
  flags->access.scheduler = std::string(absl::StripAsciiWhitespace(address));
  flags->job.clear();
  return absl::OkStatus();
}

}  // namespace

CLI::App* AddAsking(CLI::App* app, const std::string& name,
                    const std::string& help, AskingFlags* flags,
                    std::function<int()> run, int* exit_code) {
  CLI::App* command = app->add_subcommand(name, help);
  AddAccessFlags(command, &flags->access);
  command->callback([command, flags, run = std::move(run), exit_code] {
    absl::Status open = command->get_option("JOB")->get_required()
                            ? absl::OkStatus()
                            : TakeRunFolder(flags);
    if (open.ok()) open = flags->access.Open();
    *exit_code = open.ok() ? run() : Report(open);
  });
  return command;
}

CLI::App* AddJobAsking(CLI::App* app, const std::string& name,
                       const std::string& help, AskingFlags* flags,
                       std::function<int()> run, int* exit_code) {
  CLI::App* command =
      AddAsking(app, name, help, flags, std::move(run), exit_code);
  command->add_option("JOB", flags->job, "Name or number of the job")
      ->required();
  return command;
}

absl::StatusOr<v1::GetStatusResponse> AskStatus(const AskingFlags& flags) {
  v1::GetStatusRequest request;
  if (!flags.job.empty()) {
    EBB_ASSIGN_OR_RETURN(const v1::JobSummary job,
                         FindSummary(flags.access, flags.job));
    request.set_job(job.job());
  }
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  auto status = client.GetStatus(request, kAdminDeadline);
  if (status.ok()) return status;
  return WithAddress(status.status(), flags.access.scheduler, Asked::kToLook);
}

}  // namespace ebb::tools

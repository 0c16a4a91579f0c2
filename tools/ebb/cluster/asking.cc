#include "tools/ebb/cluster/asking.h"

#include <utility>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"

namespace ebb::tools {

CLI::App* AddAsking(CLI::App* app, const std::string& name,
                    const std::string& help, AskingFlags* flags,
                    std::function<int()> run, int* exit_code) {
  CLI::App* command = app->add_subcommand(name, help);
  AddAccessFlags(command, &flags->access);
  command->callback([flags, run = std::move(run), exit_code] {
    const absl::Status open = flags->access.Open();
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

// `ebb status`.
#include <iostream>
#include <memory>

#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/status/status_json.h"
#include "tools/ebb/status/status_text.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

struct StatusFlags : AskingFlags {
  bool all = false;
};

int Status(const StatusFlags& flags) {
  const auto status = AskStatus(flags);
  if (!status.ok()) return Report(status.status());
  std::cout << (flags.json
                    ? StatusJson(*status, flags.access.scheduler).ToString()
                : flags.job.empty()
                    ? StatusText(*status, flags.access.scheduler,
                                 DetectConsole(), flags.all)
                    : JobsText(*status));
  return kExitGood;
}

}  // namespace

void AddStatusCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<StatusFlags>();
  CLI::App* command = AddAsking(
      app, "status", "Prints the daemons and jobs, and what they do",
      flags.get(), [flags] { return Status(*flags); }, exit_code);
  command->add_option(
      "JOB", flags->job,
      "Name or number of a job: print only this job, without daemons; or the "
      "folder of a run that goes on: print its own daemons and jobs");
  command->add_flag("--all", flags->all, "Also print older jobs that are over");
  AddJsonFlag(command, &flags->json);
  command->footer(R"(
Work is EPOCH/SHARD@EXAMPLE for each item that a worker holds.
Examples:
  ebb status fashion-mlp
  EBB_SCHEDULER=localhost:7000 ebb status --json)");
}

}  // namespace ebb::tools

// `ebb checkpoint rollback`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/rollback/rollback_flags.h"
#include "tools/ebb/rollback/rollback_request.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

struct CheckpointRollbackFlags {
  ClusterAccess access;
  std::string job;
  RollbackWish wish;
  bool json = false;
};

int Rollback(const CheckpointRollbackFlags& flags) {
  const RollbackWish& wish = flags.wish;
  if (TargetsOf(wish) != 1) {
    return Report(absl::InvalidArgumentError(
        "name one of --to TIME, --versions-ago N and --to-round N; ebb "
        "checkpoint list shows what is stored"));
  }
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  const auto request = RollbackRequestOf(flags.access, *job, wish);
  if (!request.ok()) return Report(request.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  const auto done = client.RollbackJob(*request, kAdminDeadline);
  if (!done.ok()) {
    return Report(
        WithAddress(done.status(), flags.access.scheduler, Asked::kToChange));
  }
  if (flags.json) {
    Json json = Json::Object();
    json["job"] = job->record().id();
    json["generation"] = done->generation();
    json["rolled_back"] = done->rolled_back();
    std::cout << json.ToString();
    return kExitGood;
  }
  std::cout << job->record().name() << " (job " << job->record().id()
            << ") rolls back " << done->rolled_back() << "\n"
            << "It is generation " << done->generation()
            << "; what was applied since is trained again.\n";
  return kExitGood;
}

}  // namespace

void AddCheckpointRollbackCommand(CLI::App* checkpoint, int* exit_code) {
  const auto flags = std::make_shared<CheckpointRollbackFlags>();
  CLI::App* command = checkpoint->add_subcommand(
      "rollback", "Takes a job back to an older version");
  AddAccessFlags(command, &flags->access);
  command->add_option("JOB", flags->job, "Name or number of the job")
      ->required();
  AddRollbackTargets(command, &flags->wish);
  command
      ->add_option("--rate-factor", flags->wish.rate_factor,
                   "Factor of the job file's learning rates from there on; "
                   "default: the present factor")
      ->check(CLI::Range(kMinRateFactor, kMaxRateFactor));
  command->add_flag("--json", flags->json, "Print JSON, for programs");
  command->footer(R"(
Training may go on meanwhile; a complete job opens again. Workers train again,
exactly once, what was applied after that version; later versions no longer
count.
Examples:
  ebb checkpoint rollback --scheduler localhost:7000 fashion-mlp --to 10m
  ebb checkpoint rollback fashion-mlp --versions-ago 2 --rate-factor 0.5)");
  command->callback([=] {
    const absl::Status open = flags->access.Open();
    *exit_code = open.ok() ? Rollback(*flags) : Report(open);
  });
}

}  // namespace ebb::tools

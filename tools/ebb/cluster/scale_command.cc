// `ebb scale`.
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/process/most_processes.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

struct ScaleFlags : AskingFlags {
  std::optional<int32_t> workers;
  std::optional<int32_t> servers;
};

std::string WorkersText(int32_t workers) {
  return workers == 0 ? "as many workers as there are"
                      : Count(workers, "worker");
}

std::string ServersText(int32_t servers) {
  return servers == 0 ? "all servers" : Count(servers, "server");
}

std::string LocalLimit(int32_t wished, int most, absl::string_view more) {
  return wished <= most
             ? ""
             : absl::StrCat("; `ebb run` on a machine as this one starts ",
                            most, " of them at most", more);
}

// Says how many of the workers are connected that a job may take from now on.
std::string MissingText(int32_t wished, const v1::GetStatusResponse& status) {
  const int missing = wished - status.workers_size();
  if (missing <= 0) return "";
  return absl::StrCat("; ", status.workers_size(),
                      status.workers_size() == 1 ? " is" : " are",
                      " connected, so ", missing, missing == 1 ? " is" : " are",
                      " missing: `ebb run` starts its own, elsewhere start ",
                      missing == 1 ? "an ebb-worker" : "ebb-workers");
}

int Scale(const ScaleFlags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  if (!flags.workers && !flags.servers) {
    return Report(absl::InvalidArgumentError(
        "nothing to change: name --workers N or --servers N, 0 for no limit"));
  }
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::ScaleJobRequest request;
  request.set_job(job->record().id());
  if (flags.workers) request.set_workers(*flags.workers);
  if (flags.servers) request.set_servers(*flags.servers);
  const auto scaled = client.ScaleJob(request, kAdminDeadline);
  if (!scaled.ok()) {
    return Report(
        WithAddress(scaled.status(), flags.access.scheduler, Asked::kToChange));
  }
  const std::string name =
      absl::StrCat(job->record().name(), " (job ", job->record().id(), ")");
  if (flags.workers) {
    const auto status = client.GetStatus({}, kAdminDeadline);
    std::cout << name << " takes " << WorkersText(*flags.workers)
              << " at most, before " << WorkersText(scaled->workers_before())
              << (status.ok() ? MissingText(*flags.workers, *status) : "")
              << LocalLimit(*flags.workers, MostWorkersOfScale(0),
                            ", or its --workers")
              << "\n";
  }
  if (flags.servers) {
    std::cout << name << " lies on " << ServersText(*flags.servers)
              << " at most, before " << ServersText(scaled->servers_before())
              << "; its partitions move one after another"
              << LocalLimit(*flags.servers, kMostServers, "") << "\n";
  }
  return kExitGood;
}

}  // namespace

void AddScaleCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<ScaleFlags>();
  CLI::App* command = AddJobAsking(
      app, "scale", "Changes how many workers and servers a job takes",
      flags.get(), [flags] { return Scale(*flags); }, exit_code);
  command->add_option("--workers", flags->workers, "Most workers; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--servers", flags->servers,
                   "Most servers for its partitions; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->footer(R"(
Holds from now on, overrides workers.max of the job's file, and outlives
restarts. With a lower number, surplus workers drop the job at once: their work
counts, and other workers get their items. With a higher number, workers without
work of a higher priority join at once. Partitions move while training goes on;
servers that join get their share by themselves.
The command starts and ends no processes of daemons; `ebb run` does that for its
own.
Example:
  ebb scale --scheduler localhost:7000 fashion-mlp --workers 16)");
}

}  // namespace ebb::tools

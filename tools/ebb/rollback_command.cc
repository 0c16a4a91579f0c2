// `ebb checkpoint rollback`.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/convert.h"
#include "common/status_macros.h"
#include "scheduler/rollback.h"
#include "tools/ebb/checkpoint_source.h"
#include "tools/ebb/command.h"
#include "tools/ebb/console.h"
#include "tools/ebb/jobs.h"
#include "tools/ebb/no_answer.h"
#include "tools/ebb/when.h"

namespace ebb::tools {

namespace {

// The servers keep what they list until the scheduler has named it.
constexpr absl::Duration kKeep = absl::Seconds(30);

struct Flags {
  ClusterAccess access;
  std::string job;
  std::string to;
  std::optional<int64_t> versions_ago;
  std::optional<int64_t> round;
  std::optional<double> rate_factor;
  bool json = false;
};

absl::StatusOr<absl::Time> TimeOf(const Flags& flags) {
  const auto when = ParseWhen(flags.to, absl::Now(), absl::LocalTimeZone());
  if (when) return *when;
  return absl::InvalidArgumentError(absl::StrCat(
      "--to ", flags.to,
      " is no time: 10m (ago), 14:03, or \"2026-01-31 14:03:20\""));
}

// What can be rolled back to, and stays for a while.
absl::StatusOr<std::vector<VersionInfo>> ListVersions(
    const Flags& flags, const v1::GetJobResponse& job, JobLine* line) {
  CheckpointPlace place;
  place.name = absl::StrCat(job.record().id());
  place.access = flags.access;
  place.keep = kKeep;
  EBB_ASSIGN_OR_RETURN(const auto source, OpenCheckpoints(place));
  EBB_ASSIGN_OR_RETURN(auto versions, source->List());
  if (!source->silent().empty()) {
    return absl::UnavailableError(SilentText(source->silent().front()));
  }
  *line = source->line();
  return versions;
}

// To a round of which every partition has a version.
RollbackRecord NameRound(const std::vector<VersionInfo>& versions,
                         int32_t partitions, int64_t round,
                         scheduler::OfRound which, std::string* what) {
  std::vector<scheduler::PartitionRounds> stored(partitions);
  for (const VersionInfo& one : versions) {
    if (one.key.partition.value() < partitions) {
      stored[one.key.partition.value()].stored.push_back({one.key, one.rounds});
    }
  }
  scheduler::Rollback rollback =
      scheduler::RollbackToRound(std::move(stored), round, which);
  *what = absl::StrCat("to round ", rollback.to_round);
  return std::move(rollback.record);
}

absl::StatusOr<RollbackRecord> NameVersions(
    const Flags& flags, const std::vector<VersionInfo>& listed,
    int32_t partitions, std::string* what) {
  scheduler::RollbackTarget target;
  if (flags.versions_ago) {
    target.versions_ago = *flags.versions_ago;
    *what = absl::StrCat("to the version ", target.versions_ago,
                         " before the newest");
  } else {
    EBB_ASSIGN_OR_RETURN(const absl::Time when, TimeOf(flags));
    target.written_unix_ms = absl::ToUnixMillis(when);
    *what = absl::StrCat(
        "to what was stored by ",
        absl::FormatTime("%Y-%m-%d %H:%M:%S", when, absl::LocalTimeZone()));
  }
  std::vector<scheduler::KeptVersion> versions;
  for (const VersionInfo& one : listed) {
    versions.push_back({one.key, one.written_unix_ms});
  }
  return scheduler::ChooseVersions(versions, partitions, target);
}

absl::StatusOr<v1::RollbackJobRequest> RequestFor(
    const Flags& flags, const v1::GetJobResponse& job) {
  const v1::Plan& plan = job.record().plan();
  const bool rounds =
      plan.consistency().kind() == v1::Plan::Consistency::KIND_ROUNDS;
  if (rounds != flags.round.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        job.record().name(),
        rounds ? " is trained in rounds, and its partitions go back together: "
                 "name --to-round"
               : " has no rounds: name --to or --versions-ago"));
  }
  JobLine line;
  EBB_ASSIGN_OR_RETURN(const auto versions, ListVersions(flags, job, &line));
  std::string what;
  RollbackRecord record;
  if (rounds) {
    const scheduler::OfRound which = scheduler::OfRoundAt(
        flags.rate_factor.value_or(line.rollback.rate_factor), line.rollback);
    record = NameRound(versions, plan.partitions(), *flags.round, which, &what);
  } else {
    EBB_ASSIGN_OR_RETURN(
        record, NameVersions(flags, versions, plan.partitions(), &what));
  }
  v1::RollbackJobRequest request;
  request.set_job(job.record().id());
  request.set_generation(line.generation.value());
  *request.mutable_record() = rpc::ToProto(record);
  request.set_what(what);
  if (flags.rate_factor) request.set_rate_factor(*flags.rate_factor);
  return request;
}

int Rollback(const Flags& flags) {
  if ((flags.to.empty() ? 0 : 1) + (flags.versions_ago ? 1 : 0) +
          (flags.round ? 1 : 0) !=
      1) {
    return Report(absl::InvalidArgumentError(
        "name one of --to TIME, --versions-ago N and --to-round N; ebb "
        "checkpoint list shows what is stored"));
  }
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  const auto request = RequestFor(flags, *job);
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

void AddRollbackCommand(CLI::App* checkpoint, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = checkpoint->add_subcommand(
      "rollback", "Lets a job go on from an older version");
  AddAccessFlags(command, &flags->access);
  command->add_option("JOB", flags->job, "Name or number of the job")
      ->required();
  command->add_option("--to", flags->to,
                      "What was stored by then: 10m (ago), 14:03, or "
                      "\"2026-01-31 14:03:20\"");
  command
      ->add_option("--versions-ago", flags->versions_ago,
                   "So many versions before each partition's newest")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--to-round", flags->round,
                   "Of a job in rounds: the newest stored one up to it")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--rate-factor", flags->rate_factor,
                   "Multiplies the rates of the job file from there on; else "
                   "it stays what it was")
      ->check(CLI::Range(kMinRateFactor, kMaxRateFactor));
  command->add_flag("--json", flags->json, "For programs");
  command->footer(R"(
Training need not stop, and a complete job opens again. What was applied since
is trained again, exactly once; versions after it count no more.
Examples:
  ebb checkpoint rollback --scheduler localhost:7000 fashion-mlp --to 10m
  ebb checkpoint rollback fashion-mlp --versions-ago 2 --rate-factor 0.5)");
  command->callback([=] {
    const absl::Status open = flags->access.Open();
    *exit_code = open.ok() ? Rollback(*flags) : Report(open);
  });
}

}  // namespace ebb::tools

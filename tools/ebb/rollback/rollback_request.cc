#include "tools/ebb/rollback/rollback_request.h"

#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "scheduler/job/rollback.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/text/when.h"

namespace ebb::tools {

namespace {

// The servers keep what they list until the scheduler has named it.
constexpr absl::Duration kKeep = absl::Seconds(30);

absl::StatusOr<absl::Time> TimeOf(const RollbackWish& wish) {
  const auto when = ParseWhen(wish.to, absl::Now(), absl::LocalTimeZone());
  if (when) return *when;
  return absl::InvalidArgumentError(absl::StrCat(
      "--to ", wish.to,
      " is no time: 10m (ago), 14:03, or \"2026-01-31 14:03:20\""));
}

// Lists what can be rolled back to, and keeps it for a while.
absl::StatusOr<std::vector<VersionInfo>> ListVersions(
    const ClusterAccess& access, const v1::GetJobResponse& job, JobLine* line) {
  EBB_ASSIGN_OR_RETURN(const v1::GetJobResponse now,
                       FindJob(access, absl::StrCat(job.record().id())));
  EBB_ASSIGN_OR_RETURN(const auto source, VersionsOf(now, access, kKeep));
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
    const RollbackWish& wish, const std::vector<VersionInfo>& listed,
    int32_t partitions, std::string* what) {
  scheduler::RollbackTarget target;
  if (wish.versions_ago) {
    target.versions_ago = *wish.versions_ago;
    if (wish.stored_by) {
      target.written_unix_ms = absl::ToUnixMillis(*wish.stored_by);
    }
    *what = target.versions_ago == 0
                ? "to the newest versions"
                : absl::StrCat("to the version ", target.versions_ago,
                               " before the newest");
  } else {
    EBB_ASSIGN_OR_RETURN(const absl::Time when, TimeOf(wish));
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

}  // namespace

int TargetsOf(const RollbackWish& wish) {
  return (wish.to.empty() ? 0 : 1) + (wish.versions_ago ? 1 : 0) +
         (wish.round ? 1 : 0);
}

absl::Status CheckWish(const std::string& folder, const RollbackWish& wish) {
  CheckpointPlace place;
  place.name = folder;
  EBB_ASSIGN_OR_RETURN(const auto source, OpenCheckpoints(place));
  const JobPlan& plan = source->job().plan;
  if (plan.rounds() || wish.round) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(const auto versions, source->List());
  std::string what;
  return NameVersions(wish, versions, plan.partitions, &what).status();
}

RollbackWish NewestOf(const v1::GetJobResponse& job) {
  RollbackWish wish;
  if (job.record().plan().consistency().kind() ==
      v1::Plan::Consistency::KIND_ROUNDS) {
    wish.round = std::numeric_limits<int64_t>::max();
  } else {
    wish.versions_ago = 0;
  }
  return wish;
}

absl::StatusOr<v1::RollbackJobRequest> RollbackRequestOf(
    const ClusterAccess& access, const v1::GetJobResponse& job,
    const RollbackWish& wish) {
  const v1::Plan& plan = job.record().plan();
  const bool rounds =
      plan.consistency().kind() == v1::Plan::Consistency::KIND_ROUNDS;
  if (rounds != wish.round.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        job.record().name(),
        rounds ? " is trained in rounds, and its partitions go back together: "
                 "name --to-round"
               : " has no rounds: name --to or --versions-ago"));
  }
  JobLine line;
  EBB_ASSIGN_OR_RETURN(const auto versions, ListVersions(access, job, &line));
  std::string what;
  RollbackRecord record;
  if (rounds) {
    const scheduler::OfRound which =
        wish.changes ? scheduler::OfRound::kOpen
                     : scheduler::OfRoundAt(
                           wish.rate_factor.value_or(line.rollback.rate_factor),
                           line.rollback);
    record = NameRound(versions, plan.partitions(), *wish.round, which, &what);
  } else {
    EBB_ASSIGN_OR_RETURN(
        record, NameVersions(wish, versions, plan.partitions(), &what));
  }
  v1::RollbackJobRequest request;
  request.set_job(job.record().id());
  request.set_generation(line.generation.value());
  *request.mutable_record() = rpc::ToProto(record);
  request.set_what(what);
  if (wish.rate_factor) request.set_rate_factor(*wish.rate_factor);
  return request;
}

}  // namespace ebb::tools

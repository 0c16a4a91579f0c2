#include "server/job_partitions.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "server/memory_budget.h"

namespace ebb::server {

ServerProblem KindOf(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? ServerProblem::kMemory
                                           : ServerProblem::kOther;
}

JobPartitions::JobPartitions(const ServerOptions& options, StoredJob job,
                             const Inventory& inventory)
    : options(options), stored(std::move(job)) {
  for (const VersionKey& key : inventory.versions) {
    if (key.job != stored.record->id) continue;
    HostedPartition& hosted = partitions[key.partition];
    const auto rounds = inventory.rounds.find(key);
    hosted.versions.Add(key, rounds == inventory.rounds.end()
                                 ? std::nullopt
                                 : std::optional(rounds->second));
    hosted.highest_seen = std::max(hosted.highest_seen, key.term);
  }
}

const HostedPartition* JobPartitions::Find(PartitionId id) const {
  const auto it = partitions.find(id);
  return it == partitions.end() ? nullptr : &it->second;
}

const Partition* JobPartitions::Values(PartitionId id) const {
  const HostedPartition* hosted = Find(id);
  return hosted == nullptr ? nullptr : hosted->values.get();
}

Term JobPartitions::TermOf(PartitionId id) const {
  const HostedPartition* hosted = Find(id);
  return hosted == nullptr ? Term() : hosted->term;
}

bool JobPartitions::EnsureResources(ServerActions* out) {
  if (resources.rule != nullptr) return true;
  auto made = options.resources(*stored.record, stored.rollback);
  if (!made.ok()) {
    Complain(absl::StrCat("cannot serve job ", stored.record->name, ": ",
                          made.status().message()),
             KindOf(made.status()));
    out->push_back(LogEvent{problem});
    return false;
  }
  // One pool for the job's whole life here: the store knows what it has stored
  // by content ids, which are unique in one pool only.
  if (resources.pool != nullptr) made->pool = resources.pool;
  resources = *std::move(made);
  return true;
}

absl::Status JobPartitions::MakeRoom(PartitionId id, HostedPartition* hosted) {
  if (hosted->room) return absl::OkStatus();
  const int64_t copies = CopiesOfWeights(plan(), resources.rule->SlotCount());
  hosted->room = resources.pool->Promise(BlocksOf(
      plan(), resources.rule->SlotCount(), resources.rule->trained(), id));
  if (hosted->room) return absl::OkStatus();
  const BlockPoolStats stats = resources.pool->Stats();
  const auto mib = [&](int64_t count) {
    return absl::StrCat((count * stats.block_bytes + (1 << 20) - 1) >> 20,
                        " MiB");
  };
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for another partition of job ", stored.record->name,
      ": in all its partitions it takes ", mib(copies * plan().Blocks()), " (",
      copies, " times its weights: they, ", resources.rule->SlotCount(),
      " optimizer slots and what a step takes), "
      "and ",
      mib(stats.promised_blocks), " of the ", mib(stats.max_blocks),
      " that this server's --memory leaves for values are taken; raise "
      "--memory, or add servers"));
}

void JobPartitions::Complain(std::string what, ServerProblem kind) {
  problem = std::move(what);
  problem_kind = kind;
}

JobRegistration JobPartitions::Registration() const {
  JobRegistration registration;
  registration.record = stored.record;
  registration.generation = stored.generation;
  registration.rollback = stored.rollback;
  if (EBB_PLANTED(factor_not_in_registration)) {
    registration.rollback.rate_factor = 1;
  }
  return registration;
}

JobRegistration JobPartitions::RegistrationOfAll() const {
  JobRegistration registration = Registration();
  for (const auto& [id, hosted] : partitions) {
    registration.partitions.push_back(hosted.Registration(id, stored));
  }
  return registration;
}

void JobPartitions::Register(const std::vector<PartitionId>& ids,
                             ServerActions* out) {
  JobRegistration registration = Registration();
  for (const PartitionId id : ids) {
    HostedPartition& hosted = partitions[id];
    hosted.ResetReport();
    registration.partitions.push_back(hosted.Registration(id, stored));
  }
  out->push_back(SendScheduler{
      RegisterPartitions{options.session, std::move(registration)}});
}

}  // namespace ebb::server

// One job on one server at present: its specification, its generation, and the
// state of each partition here. It answers the questions that several event
// handlers ask. The handlers change it: a class for each kind of event (see
// hosted_job.h).
#ifndef EBB_SERVER_JOB_PARTITIONS_H_
#define EBB_SERVER_JOB_PARTITIONS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "server/actions.h"
#include "server/hosted_partition.h"
#include "server/options.h"
#include "server/partition.h"
#include "server/store/checkpoint_store.h"

namespace ebb::server {

// Classifies a problem that keeps values from being made or loaded.
ServerProblem KindOf(const absl::Status& status);

// Thread-compatible.
struct JobPartitions {
  // `options` outlives it. `inventory` is what the store holds.
  JobPartitions(const ServerOptions& options, StoredJob job,
                const Inventory& inventory);

  const JobPlan& plan() const { return stored.record->plan; }
  const HostedPartition* Find(PartitionId id) const;
  // Null: not served here.
  const Partition* Values(PartitionId id) const;
  // 0: not owned here.
  Term TermOf(PartitionId id) const;

  // The rule and the pool, from the first grant on. False: there are none, and
  // `problem` says why.
  bool EnsureResources(ServerActions* out);
  // Takes the partition on only where there is room for what it will hold.
  // ResourceExhausted, for people.
  absl::Status MakeRoom(PartitionId id, HostedPartition* hosted);
  void Complain(std::string what, ServerProblem kind);

  // Makes a registration without partitions, or with all; or sends one with
  // some.
  JobRegistration Registration() const;
  JobRegistration RegistrationOfAll() const;
  void Register(const std::vector<PartitionId>& ids, ServerActions* out);

  const ServerOptions& options;  // Not owned.
  StoredJob stored;
  JobResources resources;
  std::map<PartitionId, HostedPartition> partitions;
  RoundStatus rounds;
  bool report_at_once = false;  // Open reports cannot wait.
  std::string problem;          // The latest, for people; empty: none.
  ServerProblem problem_kind = ServerProblem::kOther;
  // Stored versions that could not be used: how many, and the last and why.
  struct LostVersions {
    int64_t count = 0;
    std::string last;
  };
  LostVersions lost_versions;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_JOB_PARTITIONS_H_

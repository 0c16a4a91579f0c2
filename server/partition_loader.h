// How a partition of a job that was granted to this server gets its values:
//
//   granted ──> listing ──> loading ──(a version, or initial values)──> served
//      │   (a shared folder)  │  ^  │                                     ^
//      └──────────────────────┘  │  └──(none: the values of a file)───────┘
//                                └──(damaged: the version before)
//
// A failure that may pass (no memory, no store) is tried again after a while.
// So is every failure to get the values of a file: a partition that began with
// others would never have been that of this job.
//
// Decision logic only: time and answers in, actions out; LoadVersion comes back
// as Loaded, ListVersions as Listed, FetchInitialValues as InitialValues.
// Thread-compatible.
#ifndef EBB_SERVER_PARTITION_LOADER_H_
#define EBB_SERVER_PARTITION_LOADER_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "server/actions.h"
#include "server/cut.h"
#include "server/dense_shape.h"
#include "server/job_partitions.h"
#include "server/partition.h"
#include "server/store/checkpoint_store.h"

namespace ebb::server {

class PartitionLoader {
 public:
  // `job` is not owned, and outlives it.
  explicit PartitionLoader(JobPartitions* job) : job_(*job) {}

  // Each returns true when the partition is served from now on.

  // The partition has been granted, and no values of it are here.
  bool Begin(PartitionId id, absl::Time now, ServerActions* out);
  bool Listed(PartitionId id, absl::StatusOr<PartitionInventory> inventory,
              absl::Time now, ServerActions* out);
  bool Loaded(const VersionKey& key, absl::StatusOr<Cut> cut, absl::Time now,
              ServerActions* out);
  bool InitialValues(PartitionId id, Term term,
                     absl::StatusOr<InitialPartition> values, absl::Time now,
                     ServerActions* out);
  bool TryAgain(PartitionId id, absl::Time now, ServerActions* out);

  // Returns the partitions to TryAgain, once each.
  std::vector<PartitionId> TakeDue(absl::Time now);
  absl::Time NextTick() const { return retry_at_; }

 private:
  void List(PartitionId id, HostedPartition* hosted, ServerActions* out);
  bool Load(PartitionId id, HostedPartition* hosted, absl::Time now,
            ServerActions* out);
  bool LoadNext(PartitionId id, HostedPartition* hosted, absl::Time now,
                ServerActions* out);
  // Returns whether it begins with values that a file has.
  bool BeginsWithFile(PartitionId id) const;
  // With these values; absent: with those of the rule.
  bool BeginWith(PartitionId id, HostedPartition* hosted,
                 std::optional<InitialPartition> values, absl::Time now,
                 ServerActions* out);
  bool CannotUse(const VersionKey& key, HostedPartition* hosted,
                 const absl::Status& why, absl::Time now, ServerActions* out);
  // No version is worse for it: the same is tried again after a while.
  void LoadLater(HostedPartition* hosted, const absl::Status& why,
                 absl::Time now, ServerActions* out);
  void Serve(PartitionId id, HostedPartition* hosted,
             std::unique_ptr<Partition> values, ServerActions* out);

  JobPartitions& job_;
  absl::Time retry_at_ = absl::InfiniteFuture();
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PARTITION_LOADER_H_

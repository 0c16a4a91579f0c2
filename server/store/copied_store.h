// A CheckpointStore on a server's own disk, with copies in a place that servers
// share.
#ifndef EBB_SERVER_STORE_COPIED_STORE_H_
#define EBB_SERVER_STORE_COPIED_STORE_H_

#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/store/checkpoint_store.h"

namespace ebb::server {

// A version is stored when both stores have it: a durable version survives the
// machine, and another server finds it. Loading prefers the server's own disk;
// the other copy replaces what is missing or damaged there.
//
// A crash between the two leaves a version in one place only, which was never
// reported as durable. It is whole and of the partition's history. A server
// that finds it may go on from it. A server that does not find it goes on from
// an earlier one, and its newer term outranks the version. Such versions are
// not repaired or copied: the first version of the next term has all that
// counts.
//
// When one of the two fails, the version is taken back from the other, and the
// failed store is tried first the next time. So while it cannot be written, no
// version is written at all, and none pile up.
//
// Thread-compatible.
class CopiedStore final : public CheckpointStore {
 public:
  CopiedStore(std::unique_ptr<CheckpointStore> local,
              std::unique_ptr<SharedCheckpointStore> shared);

  // Lists both. It leaves out the shared copies while they cannot be read: then
  // ListPartition, which a server calls after a grant, fails.
  absl::StatusOr<Inventory> List() override;
  // Lists the server's own disk.
  absl::StatusOr<Inventory> ListOwn() override;
  absl::StatusOr<PartitionInventory> ListPartition(
      JobId job, PartitionId partition) override;
  absl::Status SaveJob(const StoredJob& job) override;
  // Reports what was written to the server's own disk.
  absl::StatusOr<WriteResult> Write(const VersionKey& key,
                                    const Cut& cut) override;
  absl::StatusOr<Cut> Load(const VersionKey& key, BlockPool* pool) override;
  absl::Status Delete(std::span<const VersionKey> keys) override;
  absl::Status DeleteJob(JobId job) override;
  // Forgets its own copies: shared ones belong to the new owner.
  absl::Status Forget(JobId job, PartitionId partition, Term newest) override;
  // The damage on the server's own disk, with the versions that shared copies
  // replaced.
  StoreDamage Damage() const override;

 private:
  const std::unique_ptr<CheckpointStore> local_;
  const std::unique_ptr<SharedCheckpointStore> shared_;
  bool shared_first_ = false;  // It failed the last time.
  // Copies used for damaged versions of the own disk.
  int64_t copies_used_ = 0;
  std::string last_copied_;  // Why the last one was used.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_COPIED_STORE_H_

// The store in which a server keeps the versions of its partitions.
#ifndef EBB_SERVER_STORE_CHECKPOINT_STORE_H_
#define EBB_SERVER_STORE_CHECKPOINT_STORE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"

namespace ebb::server {

// A server's knowledge of a job beside its values.
struct StoredJob {
  JobRecordPtr record;
  Generation generation;
  RollbackRecord rollback;
  std::vector<ServerId> known_servers;
};

// All that a store holds, as found when it was opened.
struct Inventory {
  // Names the store: a new one, as after a disk was lost, has another name.
  // Empty: the store is not a server's own.
  std::string name;
  std::vector<StoredJob> jobs;
  std::vector<VersionKey> versions;  // Ascending.
  // Rounds of the versions of jobs in rounds.
  std::map<VersionKey, RoundSpan> rounds;
};

// The stored versions of one partition.
struct PartitionInventory {
  std::vector<VersionKey> versions;  // Ascending.
  // For a job in rounds.
  std::map<VersionKey, RoundSpan> rounds;
};

struct WriteResult {
  int64_t blocks_written = 0;
  // Bytes of values; values that were stored already do not count.
  int64_t bytes_written = 0;
};

// The seam between a server and its disk. Implementations: RocksDB
// (rocksdb_store.h), a bucket or folder that servers share
// (object_checkpoints.h), both together (copied_store.h) and memory
// (memory_store.h); one contract test runs through all.
//
// Thread-compatible: one thread at a time (the server's storage thread).
class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;

  // Lists all that is stored now. Never DataLoss: a record that cannot be read
  // is left out and logged.
  virtual absl::StatusOr<Inventory> List() = 0;

  // The same, without what only a place that servers share has: copies of what
  // this server had once, and another may take over or delete at any time.
  virtual absl::StatusOr<Inventory> ListOwn() { return List(); }

  // Lists what can be loaded of this partition now, whichever server wrote it:
  // a store that other servers share has their versions, too. Unknown
  // partitions have none. Errors: Unavailable or PermissionDenied: it cannot be
  // read; it may then hold newer versions than any known one.
  virtual absl::StatusOr<PartitionInventory> ListPartition(
      JobId job, PartitionId partition) = 0;

  // Replaces the record of the job. Durable on return.
  virtual absl::Status SaveJob(const StoredJob& job) = 0;

  // Writes a version. First come the blocks whose contents (content_id) this
  // store has not stored for the partition yet. Then one synced write adds the
  // manifest that makes the version visible. On an error the version does not
  // exist and earlier ones are intact.
  //
  // Errors: ResourceExhausted: the disk is full. PermissionDenied or
  // Unavailable: it cannot be written. AlreadyExists: there is a version of
  // this key. Aborted: the cut names contents that this store lacks; the next
  // cut must be whole.
  virtual absl::StatusOr<WriteResult> Write(const VersionKey& key,
                                            const Cut& cut) = 0;

  // Reads a version whole, into blocks of `pool`, and checks every checksum. A
  // later Write of the loaded values stores no block again. Errors: NotFound;
  // DataLoss, naming the damage: it never returns a damaged value.
  virtual absl::StatusOr<Cut> Load(const VersionKey& key, BlockPool* pool) = 0;

  // Deletes versions, and the blocks that no other version has. Ignores unknown
  // keys.
  virtual absl::Status Delete(std::span<const VersionKey> keys) = 0;

  // Another server has the partition: forgets this server's versions of terms
  // up to `newest`. Versions in a store that others share stay.
  virtual absl::Status Forget(JobId job, PartitionId partition, Term newest) {
    EBB_ASSIGN_OR_RETURN(PartitionInventory inventory,
                         ListPartition(job, partition));
    std::erase_if(inventory.versions, [newest](const VersionKey& key) {
      return key.term > newest;
    });
    return Delete(inventory.versions);
  }

  // Forgets a job and all its versions.
  virtual absl::Status DeleteJob(JobId job) = 0;

  // The damage found in it, since this process opened it.
  virtual StoreDamage Damage() const { return {}; }
};

// A store whose place is shared by servers, each with a store of its own over
// it. List() tells what this server stored (whatever process it was), while
// ListPartition() and Load() know what all did.
//
// A partition's place belongs to the server that wrote a version in its newest
// term. From then on a Write in an older term is FailedPrecondition. Delete has
// no effect on partitions for which this store has not itself written in the
// newest term. So a former owner that is slow to notice does no harm.
class SharedCheckpointStore : public CheckpointStore {
 public:
  // `cut` has the contents of a stored version, read from another copy of it:
  // as after Load, a later Write of them stores no block again. Blocks whose
  // contents differ from the stored ones are not recognised. Errors: as for
  // Load.
  virtual absl::Status Recognize(const VersionKey& key, const Cut& cut) = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_CHECKPOINT_STORE_H_

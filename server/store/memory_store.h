// A CheckpointStore in memory, for the simulator and for tests.
#ifndef EBB_SERVER_STORE_MEMORY_STORE_H_
#define EBB_SERVER_STORE_MEMORY_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/store/checkpoint_store.h"

namespace ebb::server {

// The part of a simulated server that outlives it: the disk under its
// MemoryStores. A copy is a snapshot and costs no values (they are shared), so
// a restart from an older state of the disk is an assignment:
//
//   MemoryDisk disk;
//   auto store = std::make_unique<MemoryStore>(&disk);  // A server lives.
//   const MemoryDisk yesterday = disk;
//   ...
//   store.reset();                                      // It dies.
//   disk = yesterday;
//   store = std::make_unique<MemoryStore>(&disk);       // Its next life.
//
// Thread-compatible.
class MemoryDisk {
 public:
  // `name` is that of the store on it: see Inventory.
  explicit MemoryDisk(std::string name = "") : name_(std::move(name)) {}

  // A later Load of the version is DataLoss, also in copies made afterwards.
  void DamageVersion(const VersionKey& key) { damaged_.insert(key); }
  // Everything that changes the disk fails with `status`, until OK is given.
  void FailWrites(absl::Status status) { fault_ = std::move(status); }
  // So does everything that reads it.
  void FailReads(absl::Status status) { read_fault_ = std::move(status); }

  // Ascending.
  std::vector<VersionKey> Versions() const;
  // Bytes of values that all stores have written.
  int64_t bytes_written() const { return bytes_written_; }

 private:
  friend class MemoryStore;

  using Floats = std::shared_ptr<const std::vector<float>>;
  struct Array {
    int64_t floats = 0;
    std::vector<Floats> blocks;
  };
  struct Version {
    Cut cut;  // All but its arrays: it must keep no block of a pool.
    std::map<std::string, Array> arrays;
    ServerId writer;
  };

  // For a version of a job in rounds.
  std::optional<RoundSpan> Rounds(const VersionKey& key,
                                  const Version& version) const;

  std::string name_;
  // By which server saved them, too.
  std::map<std::pair<JobId, ServerId>, StoredJob> jobs_;
  std::map<VersionKey, std::shared_ptr<const Version>> versions_;
  // The newest term in which anything was written.
  std::map<std::pair<JobId, PartitionId>, Term> newest_terms_;
  std::set<VersionKey> damaged_;
  absl::Status fault_;
  absl::Status read_fault_;
  int64_t bytes_written_ = 0;
};

// One server's life over a disk, with one pool: all cuts written come from the
// pool that Load fills. Thread-compatible.
class MemoryStore final : public SharedCheckpointStore {
 public:
  // `disk` outlives the store, and is this server's alone.
  explicit MemoryStore(MemoryDisk* disk) : disk_(disk) {}
  // Over a disk that servers share: what SharedCheckpointStore says holds.
  MemoryStore(MemoryDisk* disk, ServerId server)
      : disk_(disk), shared_(true), server_(server) {}

  absl::StatusOr<Inventory> List() override;
  absl::StatusOr<PartitionInventory> ListPartition(
      JobId job, PartitionId partition) override;
  absl::Status SaveJob(const StoredJob& job) override;
  absl::StatusOr<WriteResult> Write(const VersionKey& key,
                                    const Cut& cut) override;
  absl::StatusOr<Cut> Load(const VersionKey& key, BlockPool* pool) override;
  absl::Status Delete(std::span<const VersionKey> keys) override;
  absl::Status DeleteJob(JobId job) override;
  absl::Status Recognize(const VersionKey& key, const Cut& cut) override;

 private:
  // The contents of a partition's newest cut, by content id, as long as some
  // version on the disk has them too.
  using Known =
      absl::flat_hash_map<uint64_t, std::weak_ptr<const std::vector<float>>>;

  MemoryDisk::Floats Find(const Known& known, uint64_t content_id,
                          size_t floats) const;
  // Since then another server has begun a newer term.
  bool TakenOver(const std::pair<JobId, PartitionId>& partition,
                 Term term) const;

  MemoryDisk* const disk_;  // Not owned.
  const bool shared_ = false;
  const ServerId server_{-1};  // -1 if the disk has one owner only.
  std::map<std::pair<JobId, PartitionId>, Known> known_;
  // The newest in which this life has written.
  std::map<std::pair<JobId, PartitionId>, Term> terms_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_MEMORY_STORE_H_

// A CheckpointStore in RocksDB (docs/formats/checkpoint.md).
#ifndef EBB_SERVER_STORE_ROCKSDB_STORE_H_
#define EBB_SERVER_STORE_ROCKSDB_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/storage/store_folder.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/store/checkpoint_store.h"
#include "server/store/unread_log.h"
#include "server/store/version_summary.h"

namespace rocksdb {
class DB;
class Env;
class WriteBatch;
}  // namespace rocksdb

namespace ebb::server {

class LogReading;
class VersionIndex;

struct RocksDbStoreOptions {
  // Created if it is missing; holds `db`, a lock, the owner's name, and
  // databases that were set aside.
  std::string folder;
  // The owner: Open refuses a store of another server. nullopt: no owner, for
  // tests and tools.
  std::optional<ServerId> server;
  // Bytes of values kept in memory before they are written to files of their
  // own, in bulk. Memory used: up to twice as much. Larger means fewer and
  // larger files. Default 32 MiB.
  int64_t write_buffer_bytes = int64_t{32} << 20;
  // A version with more bytes of new values than this does not go through the
  // log: its values are written once, to files that are synced before its
  // manifest. It takes several syncs, which smaller versions avoid. Default
  // 1 MiB: about what a disk writes in the time of these syncs.
  int64_t most_logged_bytes = int64_t{1} << 20;
  // For OpenReadOnly: whether condition() reports damage in the middle of the
  // log. (In any case reading ends there.) For stores that no server has open.
  bool whole_log = false;
  // For tests that break disks; nullptr: the real one. Not owned.
  rocksdb::Env* env = nullptr;
  // For tests that die in the middle of a version: called when its values are
  // written and its manifest is not. Costs a write more.
  std::function<void()> before_manifest;

  // InvalidArgument for what cannot work.
  absl::Status Validate() const;
};

enum class LogUse;  // internal/database.h

// The problems of a store in this process's time.
struct StoreCondition {
  // Records that were there and could not be read (never served).
  int64_t damaged_records = 0;
  // Times that the sound parts were copied out of a damaged database.
  int64_t rescues = 0;
  std::string set_aside;      // The newest damaged database; empty: none.
  std::string found;          // The damage in it.
  int64_t versions_kept = 0;  // Versions in it that were sound.
  // From OpenReadOnly with `whole_log`: the log is damaged, and these parts of
  // it are not read. Versions may be there that are not listed.
  bool log_damaged = false;
  std::vector<UnreadLog> unread_log;
};

// All cuts written come from the pool that Load fills: a content id is
// meaningful only within one pool.
//
// When writing fails (disk full, folder not writable), everything stored stays
// readable, and each later call tries to write again.
//
// If opening or writing finds the database itself damaged, all versions that
// are sound to their last byte are copied to a new database. The damaged one is
// set aside as `db.damaged-N`, for a person to delete, and the store goes on;
// in the worst case it is empty. This is logged as an error and counted in
// condition().
//
// Thread-compatible.
class RocksDbStore final : public CheckpointStore {
 public:
  // FailedPrecondition: another process has the folder, it is another
  // daemon's, or a newer ebb wrote it. PermissionDenied, ResourceExhausted,
  // Unavailable: it can be neither written nor read.
  static absl::StatusOr<std::unique_ptr<RocksDbStore>> Open(
      RocksDbStoreOptions options);

  // For tools: opens what is stored now, also beside the server that has the
  // folder. Changes nothing; calls that change the store are
  // FailedPrecondition. Keep it open only briefly: the server deletes files
  // that it no longer needs. NotFound: there is no store.
  static absl::StatusOr<std::unique_ptr<RocksDbStore>> OpenReadOnly(
      RocksDbStoreOptions options);

  // Use Open or OpenReadOnly. Without `folder` the store is read-only.
  RocksDbStore(RocksDbStoreOptions options, std::optional<StoreFolder> folder);
  ~RocksDbStore() override;

  absl::StatusOr<Inventory> List() override;
  absl::StatusOr<PartitionInventory> ListPartition(
      JobId job, PartitionId partition) override;
  absl::Status SaveJob(const StoredJob& job) override;
  absl::StatusOr<WriteResult> Write(const VersionKey& key,
                                    const Cut& cut) override;
  absl::StatusOr<Cut> Load(const VersionKey& key, BlockPool* pool) override;
  absl::Status Delete(std::span<const VersionKey> keys) override;
  absl::Status DeleteJob(JobId job) override;
  StoreDamage Damage() const override;

  // Reads the version and checks every byte, as Load does.
  absl::Status Verify(const VersionKey& key);

  // The job's versions, ascending, by their manifests alone.
  absl::StatusOr<std::vector<VersionSummary>> Summaries(JobId job);

  const StoreCondition& condition() const { return condition_; }

 private:
  absl::Status OpenForReading();
  absl::Status OpenForWriting();
  absl::Status TryOpenForWriting();
  absl::Status Rescue(const absl::Status& why);
  absl::Status FinishRescue();
  absl::Status EnsureReadable() const;
  absl::Status EnsureWritable();
  absl::StatusOr<VersionIndex> ReadIndex();
  absl::Status RemoveLeftovers(const VersionIndex& index);
  void Replace(VersionIndex index);
  absl::Status TryWrite(const VersionKey& key, const Cut& cut,
                        WriteResult* result);
  absl::Status TryDelete(std::span<const VersionKey> keys);
  // Marks the store as not writable when it fails.
  // All that went past the log is durable on return.
  absl::Status Flush(absl::string_view doing);
  absl::Status Commit(absl::string_view doing, LogUse log,
                      rocksdb::WriteBatch* batch);
  // Makes a change; when the database turns out to be damaged, again after a
  // rescue.
  absl::Status Change(absl::FunctionRef<absl::Status()> change);

  const RocksDbStoreOptions options_;
  const std::optional<StoreFolder> folder_;
  const std::string path_;
  std::unique_ptr<LogReading> log_reading_;  // Watches db_, if it has one.
  std::unique_ptr<rocksdb::DB> db_;          // Null: cannot even be read.
  std::unique_ptr<VersionIndex> index_;
  bool writable_ = false;
  // A version whose write failed: it may be in the log nevertheless.
  std::optional<VersionKey> uncertain_;
  StoreCondition condition_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_ROCKSDB_STORE_H_

// A SchedulerStore in RocksDB (docs/formats/scheduler-store.md).
#ifndef EBB_SCHEDULER_STORE_ROCKSDB_STORE_H_
#define EBB_SCHEDULER_STORE_ROCKSDB_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/storage/store_folder.h"
#include "scheduler/store/scheduler_store.h"

namespace rocksdb {
class DB;
class Env;
}  // namespace rocksdb

namespace ebb::scheduler {

struct RocksDbStoreOptions {
  // Created if it is missing; holds `db`, a lock, the owner's name, and
  // databases that were set aside.
  std::string folder;
  // For tests that break disks; nullptr: the real one. Not owned.
  rocksdb::Env* env = nullptr;
};

// The records are few, so all of them are checked when the store is opened and
// kept in memory from then on. A database with any damage is set aside as a
// whole as `db.damaged-N`, for a person to delete. The store then starts empty,
// which a scheduler can: it learns from the servers. Half of the records would
// be decisions torn from one another. A database that turns out damaged later
// is replaced by a new one with all records.
//
// A Commit that failed changed nothing, also not for a later life of the
// store; the next one tries to open the database again.
//
// Thread-compatible.
class RocksDbStore final : public SchedulerStore {
 public:
  // FailedPrecondition: another process has the folder, it is a server's or a
  // run's, or a newer ebb wrote it. PermissionDenied, ResourceExhausted,
  // Unavailable: it can be neither written nor read.
  static absl::StatusOr<std::unique_ptr<RocksDbStore>> Open(
      RocksDbStoreOptions options);

  // Use Open.
  RocksDbStore(RocksDbStoreOptions options, StoreFolder folder);
  ~RocksDbStore() override;

  absl::StatusOr<std::map<std::string, std::string>> Load() override;
  absl::Status Commit(const std::vector<StoreWrite>& writes) override;

  // The newest damaged database that was set aside; empty: there was none.
  const std::string& set_aside() const { return set_aside_; }

 private:
  using Records = std::map<std::string, std::string>;

  absl::Status OpenDatabase(bool for_writing);
  absl::StatusOr<Records> ReadAll();
  absl::Status EnsureWritable();
  absl::Status StartAnew(const absl::Status& why);
  absl::Status Write(const std::vector<StoreWrite>& writes);

  const RocksDbStoreOptions options_;
  const StoreFolder folder_;
  std::unique_ptr<rocksdb::DB> db_;
  bool writable_ = false;
  Records records_;  // The committed records.
  std::string set_aside_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_STORE_ROCKSDB_STORE_H_

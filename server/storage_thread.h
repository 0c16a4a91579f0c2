// The one thread that changes a server's store.
#ifndef EBB_SERVER_STORAGE_THREAD_H_
#define EBB_SERVER_STORAGE_THREAD_H_

#include <functional>
#include <map>
#include <memory>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/kill_point.h"
#include "server/actions.h"
#include "server/store/checkpoint_store.h"
#include "server/task_threads.h"

namespace ebb::server {

// Carries out storage actions in their order, one at a time. A job that could
// not be saved is saved before its next version, or no version is written: a
// version of a job that the store does not know would be lost at a restart.
//
// The queue is bounded by the core: it has one version written at a time, and
// each partition loads at most one.
class StorageThread {
 public:
  // Looks at the store between two changes.
  struct Look {
    std::function<void(CheckpointStore*)> look;
  };
  using Task = std::variant<SaveJob, WriteVersion, LoadVersion, DeleteVersions,
                            DeleteJob, ForgetPartition, ListVersions, Look>;
  // Called on the thread.
  struct Events {
    // Called with the bytes that were new.
    std::function<void(const VersionKey&, const absl::Status&, int64_t)>
        written;
    std::function<void(const VersionKey&, absl::StatusOr<Cut>)> loaded;
    std::function<void(const ListVersions&, absl::StatusOr<PartitionInventory>)>
        listed;
    // More of the store than before was found damaged.
    std::function<void(const StoreDamage&)> damaged;
  };

  StorageThread(std::unique_ptr<CheckpointStore> store, KillPoints kill_points,
                Events events);

  void Add(Task task);
  // Waits for what runs; what waits is dropped.
  void Stop() { threads_.Stop(); }

 private:
  void Run(const SaveJob& task);
  void Run(WriteVersion& task);
  void Run(LoadVersion& task);
  void Run(const DeleteVersions& task);
  void Run(const DeleteJob& task);
  void Run(const ForgetPartition& task);
  void Run(const ListVersions& task);
  void Run(const Look& task) { task.look(store_.get()); }
  absl::Status SaveUnsaved(JobId job);
  void TellDamage();

  // Used by the thread alone.
  const std::unique_ptr<CheckpointStore> store_;
  const KillPoints kill_points_;
  const Events events_;
  std::map<JobId, StoredJob> unsaved_;
  StoreDamage told_;
  TaskThreads threads_;  // Last: it ends first.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORAGE_THREAD_H_

// A CheckpointStore in a folder that servers share: a network volume
// (docs/formats/shared-checkpoints.md).
#ifndef EBB_SERVER_STORE_FOLDER_STORE_H_
#define EBB_SERVER_STORE_FOLDER_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/store/checkpoint_store.h"
#include "server/store/shared_copies.h"

namespace ebb::server {

class FolderFiles;
class PartitionFolder;
class VersionDraft;
struct ListedTerm;

struct FolderStoreOptions {
  // Must be there: a volume that is not mounted must not be taken for an empty
  // one. All servers of the cluster give the same.
  std::string folder;
  // The server that owns this store.
  ServerId server;
  // For tests that break disks; nullptr: the real ones. Not owned.
  FolderFiles* files = nullptr;

  // InvalidArgument for what cannot work.
  absl::Status Validate() const;
};

// A version is a file of the values that no version before it has, and then,
// renamed into place, a manifest that names this file and older ones. Both are
// never changed, and each block and each manifest has its checksum.
//
// A block whose contents are stored is not written again, except to release
// files of which little is needed (internal/pack_plan.h). All writing is at
// most twice that of new values, and log2(blocks) times that of versions with
// only a few. The first version of a term writes no stored block at all.
//
// A server that writes in a new term renames the folders of older terms: it
// takes over their content, and shuts their owners out
// (internal/partition_folder.h).
//
// It needs from the file system: rename in one step, also of folders, visible
// to others when they look next; fsync of files and folders. Local file systems
// have it, and so has NFS with `lookupcache=none`.
//
// When writing fails, everything stored stays readable, and the next Write
// tries again. Thread-compatible.
class FolderStore final : public SharedCopies {
 public:
  // NotFound: there is no such folder. DataLoss: its identity is damaged.
  // PermissionDenied, ResourceExhausted, Unavailable: it cannot be read, or,
  // when it is new, not be written.
  static absl::StatusOr<std::unique_ptr<FolderStore>> Open(
      FolderStoreOptions options);

  // Use Open.
  FolderStore(FolderStoreOptions options, FolderFiles* files,
              std::string folder_id);
  ~FolderStore() override;

  // Drawn when the folder was first used. Servers with the same have the same
  // folder, whatever its path is here and there.
  const std::string& folder_id() const { return folder_id_; }
  // A folder that some server has used; Open makes a new one such.
  static bool IsOne(const std::string& folder);

  absl::StatusOr<std::vector<StoredJob>> JobsOfAll(
      std::vector<std::string>* problems) override;
  absl::StatusOr<std::vector<ListedCopy>> Summaries(JobId job) override;
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
  struct OwnPartition;

  std::string JobPath(JobId job) const;
  PartitionFolder FolderOf(
      const std::pair<JobId, PartitionId>& partition) const;
  // Unavailable: the folder at the path now is not the one that was opened.
  absl::Status CheckIdentity() const;
  absl::StatusOr<std::set<JobId>> JobIds() const;
  absl::StatusOr<StoredJob> ReadJob(JobId job, ServerId server) const;
  // The record of a job that any server has saved; null: none has.
  JobRecordPtr RecordOf(JobId job) const;
  absl::Status ListJob(JobId job, Inventory* inventory) const;
  std::map<VersionKey, RoundSpan> RoundsOfVersions(
      const JobRecord& record, std::span<const VersionKey> versions) const;

  OwnPartition& Own(const std::pair<JobId, PartitionId>& partition);
  absl::StatusOr<Cut> TryLoad(const VersionKey& key, BlockPool* pool);
  absl::Status BeginTerm(const VersionKey& key, OwnPartition* own);
  absl::Status WriteFiles(const VersionKey& key, const VersionDraft& draft,
                          uint64_t pack, const OwnPartition& own);
  absl::Status NotWritten(Term term, const absl::Status& why,
                          OwnPartition* own);
  absl::Status RemoveUncertain(OwnPartition* own);
  absl::Status DeleteOf(const std::pair<JobId, PartitionId>& partition,
                        const std::set<VersionKey>& keys);
  absl::Status DeletePacks(const std::pair<JobId, PartitionId>& partition,
                           const std::vector<ListedTerm>& terms,
                           OwnPartition* own);

  const FolderStoreOptions options_;
  FolderFiles* const files_;  // Not owned.
  const std::string folder_id_;
  std::map<std::pair<JobId, PartitionId>, std::unique_ptr<OwnPartition>> own_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_FOLDER_STORE_H_

// A CheckpointStore in a bucket or a folder that servers share
// (docs/formats/object-checkpoints.md).
#ifndef EBB_SERVER_STORE_OBJECT_CHECKPOINTS_H_
#define EBB_SERVER_STORE_OBJECT_CHECKPOINTS_H_

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
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/objects/object_store.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/store/checkpoint_store.h"
#include "server/store/internal/folder_manifest.h"
#include "server/store/internal/version_index.h"
#include "server/store/object_layout.h"
#include "server/store/shared_copies.h"

namespace ebb::server {

class OldFolder;
class VersionDraft;

struct ObjectCheckpointsOptions {
  // The server that owns this store.
  ServerId server;
  // Asks the object store, before anything else, whether it keeps what the
  // rules below rest on. Default: true; false saves the calls for a store that
  // is known.
  bool probe = true;
  // Makes a new place such. Without it, Open is NotFound, and changes nothing.
  // Default: true; tools that only read give false.
  bool create = true;
  // The bytes of the objects that values are cut into. Part of the format:
  // change it in tests only. Default 256 MiB.
  uint64_t piece_bytes = uint64_t{256} << 20;
  // The place is a folder. It may be an empty one while its volume is not
  // mounted, so the identity is asked for before each change. A request that
  // failed has no effect later, so the next write leaves out the version of a
  // write that failed. Default: false.
  bool in_folder = false;
  // The objects are in a folder that an older ebb has used, whose versions are
  // read, too (folder_checkpoints.h). Null: there are none.
  std::shared_ptr<const OldFolder> old;
};

// Values and manifests are objects that are created once and never changed. A
// version is an object of the values that no version before it has, and a
// manifest that names this object and older ones. Each block and each manifest
// has its checksum.
//
// A block whose contents are stored is not written again, except to release
// objects of which little is needed (internal/pack_plan.h). All writing is at
// most twice that of new values, and log2(blocks) times that of versions with
// only a few. The first version of a term writes no stored block at all.
//
// Several servers share a place. The store keeps these rules:
//
//   1. A term begins with its claim. Only then its owner looks which versions
//      there are, and writes down those that it goes on from: `inherits`. If
//      there is a claim of a newer term before or after that, it gives up.
//   2. Readers see the versions that the newest `inherits` names, and those of
//      its own term. What a former owner writes later does not exist.
//   3. A write has succeeded if, after it, there is no claim of a newer term:
//      so the owner of a newer term finds the version.
//   4. An owner that is about to delete writes down which versions it keeps
//      (`kept`), then looks for claims, and only then deletes. Only what the
//      newest `kept` of a term names is read and inherited. So a former owner
//      that wakes deletes no version that its heir goes on from.
//
// A list shows each change that is made meanwhile or does not, in any order. So
// a look ends with a second list, which must show the same records that decide.
//
// object_fence_test.cc runs owners that are frozen anywhere against these
// rules, and leaves out each of them to see it fail.
//
// A request that failed may still take effect later. So keys are never used
// twice, versions of a term are written in ascending order, and `kept` is
// written down before the values of a version whose write failed go.
//
// Thread-compatible.
class ObjectCheckpoints final : public SharedCopies {
 public:
  // FailedPrecondition: the object store lacks something, and the message says
  // what. DataLoss: its identity is damaged. PermissionDenied, Unavailable,
  // ResourceExhausted: as the object store says.
  static absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> Open(
      std::unique_ptr<ObjectStore> objects, ObjectCheckpointsOptions options);
  // The same over objects that outlive the store.
  static absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> Open(
      ObjectStore* objects, ObjectCheckpointsOptions options);

  // Shows that the place keeps what the rules rest on, and leaves nothing
  // there. FailedPrecondition: it does not; the other errors are Open's.
  static absl::Status Probe(ObjectStore* objects, bool in_folder);

  // Use Open.
  ObjectCheckpoints(ObjectStore* objects, ObjectCheckpointsOptions options,
                    std::string identity);
  ~ObjectCheckpoints() override;

  // Drawn when the place was first used. Servers with the same have the same
  // place.
  const std::string& folder_id() const { return identity_; }

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
  // The versions of a partition that exist, with their writers.
  struct View {
    ListedObjects listed;
    Term term;  // The newest with `inherits`; 0: none.
    std::map<VersionInTerm, ServerId> versions;
    std::optional<VersionFile> newest_kept;  // The limit in its newest `kept`.
    bool whole = true;  // All versions that records name are listed.
  };

  OwnPartition& Own(const PartitionName& partition);
  std::string KeyIn(const PartitionName& partition,
                    absl::string_view key) const;
  // For messages.
  std::string NameIn(const PartitionName& partition,
                     absl::string_view key) const;
  absl::Status CheckIdentity() const;
  // The same, where a volume may not be mounted.
  absl::Status CheckMounted() const;
  absl::StatusOr<std::vector<JobId>> JobIds() const;
  absl::StatusOr<StoredJob> ReadJob(JobId job, ServerId server) const;
  JobRecordPtr RecordOf(JobId job) const;
  absl::Status ListJob(JobId job, Inventory* inventory) const;
  std::map<VersionKey, RoundSpan> RoundsOfVersions(
      const JobRecord& record, std::span<const VersionKey> versions) const;

  absl::StatusOr<ListedObjects> ListObjects(
      const PartitionName& partition) const;
  absl::StatusOr<View> Look(const PartitionName& partition) const;
  // Returns the view that the list shows; nullopt: it changed meanwhile.
  absl::StatusOr<std::optional<View>> LookAt(const PartitionName& partition,
                                             const ListedObjects& listed) const;
  static void FindVersions(const Inherits& inherits,
                           const std::optional<Kept>& kept, View* view);
  // Adds the versions of an older ebb: those that no term goes on from yet.
  static void FindOldVersions(View* view);
  // An object of an older ebb; its folder is renamed while it is looked for.
  absl::StatusOr<ObjectContent> GetOld(const PartitionName& partition,
                                       Term term, absl::string_view name,
                                       const GetOptions& options) const;
  // NotFound: the version does not exist.
  absl::Status CheckExists(const VersionKey& key) const;
  absl::StatusOr<FolderManifest> ReadManifest(const VersionKey& key) const;
  absl::StatusOr<std::string> ReadValues(const PartitionName& partition,
                                         const PackName& pack, uint64_t offset,
                                         uint64_t bytes) const;
  absl::StatusOr<absl::flat_hash_map<uint64_t, BlockRef>> ReadBlocks(
      const PartitionName& partition, const FolderManifest& manifest,
      BlockPool* pool) const;
  absl::StatusOr<Cut> TryLoad(const VersionKey& key, BlockPool* pool);

  // FailedPrecondition: there is a claim of a newer term. NotFound: the term is
  // said to be `claimed`, and is not.
  absl::Status CheckNewest(const PartitionName& partition, Term term,
                           bool claimed) const;
  absl::Status Claim(const PartitionName& partition, Term term);
  // Returns the versions that the term goes on from, written now or earlier.
  absl::StatusOr<Inherits> Inherit(const PartitionName& partition, Term term,
                                   const View& view);
  // Writes down that the versions of a term that has no `inherits` yet are
  // none.
  absl::Status LeaveOutRemains(const PartitionName& partition, Term term,
                               View* view);
  absl::Status BeginTerm(const PartitionName& partition, Term term,
                         OwnPartition* own);
  absl::Status WriteValues(const PartitionName& partition,
                           const VersionDraft& draft, const PackName& pack);
  absl::Status CreateKept(const PartitionName& partition, Term term,
                          uint64_t number, const Kept& kept);
  absl::Status RecordKept(const PartitionName& partition, OwnPartition* own);
  // nullopt: a version cannot be read, so what it needs is not known.
  absl::StatusOr<std::optional<std::set<PackName>>> NeededPacks(
      const PartitionName& partition, OwnPartition* own) const;
  absl::Status DeleteOf(const PartitionName& partition,
                        const std::set<VersionKey>& keys);
  // Deletes all objects of the list that this term needs no longer.
  absl::Status DeleteRest(const PartitionName& partition,
                          const ListedObjects& listed,
                          const std::optional<std::set<PackName>>& needed,
                          const OwnPartition& own);
  absl::Status DeleteOld(const PartitionName& partition,
                         const ListedObjects& listed,
                         const std::optional<std::set<PackName>>& needed,
                         const OwnPartition& own);

  std::unique_ptr<ObjectStore> owned_;  // Perhaps null.
  ObjectStore* const objects_;          // Not owned.
  const ObjectCheckpointsOptions options_;
  const std::string identity_;
  std::map<PartitionName, std::unique_ptr<OwnPartition>> own_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_OBJECT_CHECKPOINTS_H_

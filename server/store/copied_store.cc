#include "server/store/copied_store.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::server {

namespace {

// Says which of the two it was.
absl::Status OfShared(const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("shared checkpoints: ", status.message()));
}

std::vector<VersionKey> Union(std::vector<VersionKey> a,
                              const std::vector<VersionKey>& b) {
  a.insert(a.end(), b.begin(), b.end());
  std::sort(a.begin(), a.end());
  a.erase(std::unique(a.begin(), a.end()), a.end());
  return a;
}

// Both were saved; an own disk that was set back may have the older.
void AddJob(StoredJob job, std::vector<StoredJob>* jobs) {
  const auto it =
      std::find_if(jobs->begin(), jobs->end(), [&](const StoredJob& known) {
        return known.record->id == job.record->id;
      });
  if (it == jobs->end()) {
    jobs->push_back(std::move(job));
  } else if (it->generation < job.generation) {
    *it = std::move(job);
  }
}

}  // namespace

CopiedStore::CopiedStore(std::unique_ptr<CheckpointStore> local,
                         std::unique_ptr<SharedCheckpointStore> shared)
    : local_(std::move(local)), shared_(std::move(shared)) {}

absl::StatusOr<Inventory> CopiedStore::List() {
  EBB_ASSIGN_OR_RETURN(Inventory inventory, local_->List());
  auto shared = shared_->List();
  if (!shared.ok()) {
    LOG(ERROR) << "event=shared_checkpoints_unreadable "
               << shared.status().message();
    return inventory;
  }
  for (StoredJob& job : shared->jobs) AddJob(std::move(job), &inventory.jobs);
  inventory.versions = Union(std::move(inventory.versions), shared->versions);
  inventory.rounds.merge(shared->rounds);
  return inventory;
}

absl::StatusOr<Inventory> CopiedStore::ListOwn() { return local_->List(); }

absl::StatusOr<PartitionInventory> CopiedStore::ListPartition(
    JobId job, PartitionId partition) {
  EBB_ASSIGN_OR_RETURN(PartitionInventory inventory,
                       local_->ListPartition(job, partition));
  auto shared = shared_->ListPartition(job, partition);
  EBB_RETURN_IF_ERROR(OfShared(shared.status()));
  inventory.versions = Union(std::move(inventory.versions), shared->versions);
  inventory.rounds.merge(shared->rounds);
  return inventory;
}

absl::Status CopiedStore::SaveJob(const StoredJob& job) {
  EBB_RETURN_IF_ERROR(local_->SaveJob(job));
  return OfShared(shared_->SaveJob(job));
}

absl::StatusOr<WriteResult> CopiedStore::Write(const VersionKey& key,
                                               const Cut& cut) {
  const bool shared_first = shared_first_;
  CheckpointStore* stores[] = {local_.get(), shared_.get()};
  if (shared_first) std::swap(stores[0], stores[1]);
  WriteResult local;
  for (CheckpointStore* const store : stores) {
    const auto written = store->Write(key, cut);
    if (written.ok()) {
      if (store == local_.get()) local = *written;
      continue;
    }
    shared_first_ = store == shared_.get();
    if (store == stores[1]) {
      // Should it stay, it is whole, and no harm.
      const absl::Status taken_back = stores[0]->Delete({&key, 1});
      if (!taken_back.ok()) LOG(WARNING) << taken_back.message();
    }
    return shared_first_ ? OfShared(written.status()) : written.status();
  }
  return local;
}

absl::StatusOr<Cut> CopiedStore::Load(const VersionKey& key, BlockPool* pool) {
  auto own = local_->Load(key, pool);
  if (own.ok()) {
    // Otherwise the next version would be written there whole, or be refused
    // there and written anew: only slower.
    shared_->Recognize(key, *own).IgnoreError();
    return own;
  }
  auto copy = shared_->Load(key, pool);
  if (copy.ok()) {
    if (!absl::IsNotFound(own.status())) {
      LOG(WARNING) << "event=shared_copy_used " << own.status().message();
      ++copies_used_;
      last_copied_ = std::string(own.status().message());
    }
    return copy;
  }
  // Errors that may pass come first: they are not a reason to go on from
  // another version.
  const bool lost =
      absl::IsNotFound(own.status()) || absl::IsDataLoss(own.status());
  if (!lost || absl::IsNotFound(copy.status())) return own.status();
  return OfShared(copy.status());
}

StoreDamage CopiedStore::Damage() const {
  StoreDamage damage = local_->Damage();
  damage.versions_lost += copies_used_;
  if (copies_used_ > 0) damage.last_lost = last_copied_;
  return damage;
}

absl::Status CopiedStore::Delete(std::span<const VersionKey> keys) {
  absl::Status status = local_->Delete(keys);
  status.Update(OfShared(shared_->Delete(keys)));
  return status;
}

absl::Status CopiedStore::Forget(JobId job, PartitionId partition,
                                 Term newest) {
  return local_->Forget(job, partition, newest);
}

absl::Status CopiedStore::DeleteJob(JobId job) {
  absl::Status status = local_->DeleteJob(job);
  status.Update(OfShared(shared_->DeleteJob(job)));
  return status;
}

}  // namespace ebb::server

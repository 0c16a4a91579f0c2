#include "server/storage_thread.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "server/row_arrays.h"

namespace ebb::server {

namespace {

// The scheduler's explanations look for these words.
absl::Status Named(const absl::Status& status) {
  // Taken over by others: nothing is wrong with the disk.
  if (status.ok() || absl::IsFailedPrecondition(status)) return status;
  return absl::Status(
      status.code(),
      absl::StrCat(
          absl::IsResourceExhausted(status) ? "disk full: " : "cannot write: ",
          status.message()));
}

}  // namespace

StorageThread::StorageThread(std::unique_ptr<CheckpointStore> store,
                             KillPoints kill_points, Events events)
    : store_(std::move(store)),
      kill_points_(std::move(kill_points)),
      events_(std::move(events)),
      told_(store_->Damage()),
      threads_(1) {}

void StorageThread::Add(Task task) {
  // std::function copies its target: one shared object instead.
  auto shared = std::make_shared<Task>(std::move(task));
  threads_.Add([this, shared] {
    std::visit([this](auto& typed) { Run(typed); }, *shared);
    TellDamage();
  });
}

void StorageThread::TellDamage() {
  StoreDamage damage = store_->Damage();
  if (damage == told_) return;
  told_ = std::move(damage);
  events_.damaged(told_);
}

void StorageThread::Run(const SaveJob& task) {
  const JobId id = task.job.record->id;
  unsaved_[id] = task.job;
  const absl::Status saved = SaveUnsaved(id);
  if (!saved.ok()) {
    LOG(ERROR) << "job=" << task.job.record->name
               << " cannot be saved, so no version of it is written until it "
                  "can: "
               << saved.message();
  }
}

absl::Status StorageThread::SaveUnsaved(JobId job) {
  const auto it = unsaved_.find(job);
  if (it == unsaved_.end()) return absl::OkStatus();
  absl::Status saved = store_->SaveJob(it->second);
  if (saved.ok()) unsaved_.erase(it);
  return saved;
}

void StorageThread::Run(WriteVersion& task) {
  absl::Status status = SaveUnsaved(task.key.job);
  int64_t bytes = 0;
  if (status.ok()) {
    SealRows(&task.cut);
    const auto result = store_->Write(task.key, task.cut);
    status = result.status();
    if (result.ok()) bytes = result->bytes_written;
  }
  task.cut = {};  // Its blocks are free before the next cut is taken.
  if (status.ok()) kill_points_.Reached("manifest-written-not-reported");
  events_.written(task.key, Named(status), bytes);
}

void StorageThread::Run(LoadVersion& task) {
  absl::StatusOr<Cut> cut = store_->Load(task.key, task.pool.get());
  if (cut.ok()) kill_points_.Reached("version-loaded-not-served");
  events_.loaded(task.key, std::move(cut));
}

void StorageThread::Run(const DeleteVersions& task) {
  const absl::Status deleted = store_->Delete(task.keys);
  if (!deleted.ok()) {
    LOG(WARNING) << "old versions stay until the next start: "
                 << deleted.message();
  }
}

void StorageThread::Run(const ForgetPartition& task) {
  const absl::Status forgotten =
      store_->Forget(task.job, task.partition, task.newest);
  if (!forgotten.ok()) {
    LOG(WARNING) << "job=" << task.job << " partition=" << task.partition
                 << ", which another server has, stays in the store: "
                 << forgotten.message();
  }
}

void StorageThread::Run(const ListVersions& task) {
  events_.listed(task, store_->ListPartition(task.job, task.partition));
}

void StorageThread::Run(const DeleteJob& task) {
  unsaved_.erase(task.job);
  const absl::Status deleted = store_->DeleteJob(task.job);
  if (!deleted.ok()) {
    LOG(WARNING) << "job=" << task.job
                 << " cannot be deleted from the store: " << deleted.message();
  }
}

}  // namespace ebb::server

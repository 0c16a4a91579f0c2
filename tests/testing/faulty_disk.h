// A disk under RocksDB that fails when told to, and forgets what was not
// synced when the power goes.
//
//   FaultyDisk disk;
//   auto store = RocksDbStore::Open({.folder = folder, .env = disk.env()});
//   disk.FailAfter(10'000, rocksdb::IOStatus::NoSpace("disk full"));
//
//   disk.CutPowerAfter(100);              // Operations from now on.
//   ...                                   // Everything on it dies,
//   disk.LoseUnsynced(...);               // and the power is back.
#ifndef EBB_TESTS_TESTING_FAULTY_DISK_H_
#define EBB_TESTS_TESTING_FAULTY_DISK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/mutex.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace ebb {

// Thread-safe: RocksDB writes from several threads. Outlives the databases on
// it.
class FaultyDisk {
 public:
  // `strict`: also what happened to a folder (files that were made, renamed,
  // deleted) is lost when the folder was not synced since.
  explicit FaultyDisk(bool strict = false)
      : strict_(strict),
        files_(std::make_shared<Files>(this)),
        env_(rocksdb::NewCompositeEnv(files_)) {}

  rocksdb::Env* env() { return env_.get(); }

  // Once `bytes` more have been written, each write, sync or creation of a
  // file fails with `status`; the write that crosses the limit is torn.
  void FailAfter(int64_t bytes, rocksdb::IOStatus status) {
    MutexLock lock(&mu_);
    room_ = bytes;
    fault_ = std::move(status);
  }
  // Only syncs fail: what was written may be there or not.
  void FailSyncs(rocksdb::IOStatus status) {
    MutexLock lock(&mu_);
    sync_fault_ = std::move(status);
  }
  void Mend() {
    MutexLock lock(&mu_);
    room_ = std::numeric_limits<int64_t>::max();
    fault_ = rocksdb::IOStatus::OK();
    sync_fault_ = rocksdb::IOStatus::OK();
  }
  // How many operations failed: shows that a fault was met.
  int64_t failures() const { return failures_; }
  int64_t bytes_written() const { return bytes_written_; }

  // Once so many more operations have succeeded, none does any more. 0: now.
  void CutPowerAfter(int64_t operations) {
    MutexLock lock(&mu_);
    power_for_ = operations;
  }
  // Reads do not count.
  int64_t operations() const { return operations_; }

  // Bytes written that are not synced yet.
  int64_t unsynced_bytes() const {
    MutexLock lock(&mu_);
    int64_t bytes = 0;
    for (const auto& [path, size] : sizes_) bytes += size.written - size.synced;
    return bytes;
  }

  // With nothing open on the disk: each file ends where it was last synced,
  // or `keep(unsynced bytes)` later; of the changes of each folder since it was
  // synced, the first `keep(changes)` stay. The power is on again.
  void LoseUnsynced(absl::FunctionRef<int64_t(int64_t)> keep) {
    MutexLock lock(&mu_);
    power_for_ = std::numeric_limits<int64_t>::max();
    for (auto& [path, size] : sizes_) {
      std::error_code gone;
      const auto now =
          static_cast<int64_t>(std::filesystem::file_size(path, gone));
      if (gone || now <= size.synced) continue;
      std::filesystem::resize_file(path, size.synced + keep(now - size.synced));
    }
    sizes_.clear();
    for (auto& [folder, changes] : changes_) {
      const int64_t kept = keep(static_cast<int64_t>(changes.size()));
      while (static_cast<int64_t>(changes.size()) > kept) {
        Undo(changes.back());
        changes.pop_back();
      }
      Forget(&changes);
    }
    changes_.clear();
  }

 private:
  struct Size {
    int64_t written = 0;
    int64_t synced = 0;
  };
  // A file that came (no `from`), went (no `to`) or has another name now.
  struct Change {
    std::string from;
    std::string to;
    std::string stash;  // It went, or gave way; empty: nothing.
  };

  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(FaultyDisk* disk, std::string path,
         std::unique_ptr<rocksdb::FSWritableFile> file)
        : FSWritableFileOwnerWrapper(std::move(file)),
          disk_(disk),
          path_(std::move(path)) {}

    using FSWritableFileOwnerWrapper::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice& data,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus fault = disk_->Power();
      if (!fault.ok()) return fault;
      const size_t room = disk_->Take(path_, data.size(), &fault);
      if (room > 0) {
        rocksdb::IOStatus status = target()->Append(
            rocksdb::Slice(data.data(), room), options, context);
        if (!status.ok()) return status;
      }
      return fault;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data,
                             const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&,
                             rocksdb::IODebugContext* context) override {
      return Append(data, options, context);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus status = disk_->Power();
      if (status.ok()) status = disk_->SyncFault();
      if (status.ok()) status = target()->Sync(options, context);
      if (status.ok()) disk_->Synced(path_);
      return status;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* context) override {
      return Sync(options, context);
    }
    rocksdb::IOStatus Allocate(uint64_t, uint64_t, const rocksdb::IOOptions&,
                               rocksdb::IODebugContext*) override {
      return rocksdb::IOStatus::OK();  // So a file's size is what was written.
    }

   private:
    FaultyDisk* const disk_;  // Not owned.
    const std::string path_;
  };

  class Folder final : public rocksdb::FSDirectoryWrapper {
   public:
    Folder(FaultyDisk* disk, std::string path,
           std::unique_ptr<rocksdb::FSDirectory> folder)
        : FSDirectoryWrapper(std::move(folder)),
          disk_(disk),
          path_(std::move(path)) {}

    rocksdb::IOStatus Fsync(const rocksdb::IOOptions&,
                            rocksdb::IODebugContext*) override {
      rocksdb::IOStatus status = disk_->Power();
      if (status.ok()) disk_->FolderSynced(path_);
      return status;
    }
    rocksdb::IOStatus FsyncWithDirOptions(
        const rocksdb::IOOptions& options, rocksdb::IODebugContext* context,
        const rocksdb::DirFsyncOptions&) override {
      return Fsync(options, context);
    }

   private:
    FaultyDisk* const disk_;  // Not owned.
    const std::string path_;
  };

  class Files final : public rocksdb::FileSystemWrapper {
   public:
    explicit Files(FaultyDisk* disk)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}

    const char* Name() const override { return "FaultyDisk"; }
    rocksdb::IOStatus NewWritableFile(
        const std::string& path, const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSWritableFile>* file,
        rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus status = disk_->Power();
      if (status.ok()) status = disk_->Fault();
      const bool is_new = !std::filesystem::exists(path);
      if (status.ok()) {
        status = target()->NewWritableFile(path, options, file, context);
      }
      if (!status.ok()) return status;
      disk_->Created(path, is_new);
      *file = std::make_unique<File>(disk_, path, std::move(*file));
      return status;
    }
    rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                                 const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus status = disk_->Power();
      if (status.ok()) status = disk_->Fault();
      std::string stash;
      if (status.ok()) stash = disk_->Stash(to);
      if (status.ok()) {
        status = target()->RenameFile(from, to, options, context);
      }
      if (status.ok()) disk_->Renamed(from, to, stash);
      return status;
    }
    rocksdb::IOStatus DeleteFile(const std::string& path,
                                 const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus status = disk_->Power();
      std::string stash;
      if (status.ok()) stash = disk_->Stash(path);
      if (status.ok()) status = target()->DeleteFile(path, options, context);
      if (status.ok()) disk_->Deleted(path, stash);
      return status;
    }
    rocksdb::IOStatus NewDirectory(
        const std::string& path, const rocksdb::IOOptions& options,
        std::unique_ptr<rocksdb::FSDirectory>* folder,
        rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus status =
          target()->NewDirectory(path, options, folder, context);
      if (!status.ok()) return status;
      *folder = std::make_unique<Folder>(disk_, path, std::move(*folder));
      return status;
    }

   private:
    FaultyDisk* const disk_;  // Not owned.
  };

  // How many of `size` bytes may still be written, and the fault if not all.
  size_t Take(const std::string& path, size_t size, rocksdb::IOStatus* fault) {
    MutexLock lock(&mu_);
    const auto wanted = static_cast<int64_t>(size);
    const int64_t taken = std::min(wanted, room_);
    room_ -= taken;
    sizes_[path].written += taken;
    bytes_written_ += taken;
    if (taken < wanted) {
      *fault = fault_;
      ++failures_;
    }
    return static_cast<size_t>(taken);
  }
  rocksdb::IOStatus Fault() {
    MutexLock lock(&mu_);
    if (room_ > 0) return rocksdb::IOStatus::OK();
    ++failures_;
    return fault_;
  }
  rocksdb::IOStatus SyncFault() {
    MutexLock lock(&mu_);
    if (room_ > 0 && sync_fault_.ok()) return rocksdb::IOStatus::OK();
    ++failures_;
    return sync_fault_.ok() ? fault_ : sync_fault_;
  }
  rocksdb::IOStatus Power() {
    MutexLock lock(&mu_);
    if (power_for_ <= 0) return rocksdb::IOStatus::IOError("no power");
    --power_for_;
    ++operations_;
    return rocksdb::IOStatus::OK();
  }
  static std::string FolderOf(const std::string& path) {
    return std::filesystem::path(path).parent_path().string();
  }
  // A second name for what is at the path, beside its folder. Empty: nothing
  // is there, or it need not be remembered.
  std::string Stash(const std::string& path) {
    if (!strict_ || !std::filesystem::exists(path)) return "";
    MutexLock lock(&mu_);
    std::string stash =
        FolderOf(path) + "." + std::to_string(++stashed_) + ".lost";
    std::filesystem::create_hard_link(path, stash);
    sizes_[stash] = sizes_[path];
    return stash;
  }
  void Log(const std::string& folder, Change change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (strict_) changes_[folder].push_back(std::move(change));
  }
  static void Undo(const Change& change) {
    std::error_code gone;
    if (!change.from.empty() && !change.to.empty()) {
      std::filesystem::rename(change.to, change.from, gone);
    } else if (!change.to.empty()) {
      std::filesystem::remove(change.to, gone);
    }
    if (change.stash.empty()) return;
    std::filesystem::rename(change.stash,
                            change.to.empty() ? change.from : change.to, gone);
  }
  static void Forget(std::vector<Change>* changes) {
    for (const Change& change : *changes) {
      std::error_code gone;
      if (!change.stash.empty()) std::filesystem::remove(change.stash, gone);
    }
    changes->clear();
  }
  void FolderSynced(const std::string& folder) {
    MutexLock lock(&mu_);
    Forget(&changes_[folder]);
  }
  void Created(const std::string& path, bool is_new) {
    MutexLock lock(&mu_);
    sizes_[path] = {};
    if (is_new) Log(FolderOf(path), {.to = path});
  }
  void Synced(const std::string& path) {
    MutexLock lock(&mu_);
    sizes_[path].synced = sizes_[path].written;
  }
  void Renamed(const std::string& from, const std::string& to,
               const std::string& stash) {
    MutexLock lock(&mu_);
    sizes_[to] = sizes_[from];
    sizes_.erase(from);
    Log(FolderOf(to), {.from = from, .to = to, .stash = stash});
  }
  void Deleted(const std::string& path, const std::string& stash) {
    MutexLock lock(&mu_);
    if (!stash.empty()) Log(FolderOf(path), {.from = path, .stash = stash});
  }

  const bool strict_;
  mutable Mutex mu_;
  int64_t room_ ABSL_GUARDED_BY(mu_) = std::numeric_limits<int64_t>::max();
  rocksdb::IOStatus fault_ ABSL_GUARDED_BY(mu_);
  rocksdb::IOStatus sync_fault_ ABSL_GUARDED_BY(mu_);
  int64_t power_for_ ABSL_GUARDED_BY(mu_) = std::numeric_limits<int64_t>::max();
  std::map<std::string, Size> sizes_ ABSL_GUARDED_BY(mu_);
  // By folder, since it was synced.
  std::map<std::string, std::vector<Change>> changes_ ABSL_GUARDED_BY(mu_);
  int64_t stashed_ ABSL_GUARDED_BY(mu_) = 0;
  // Counters only; nothing is ordered by them.
  std::atomic<int64_t> failures_ = 0;
  std::atomic<int64_t> bytes_written_ = 0;
  std::atomic<int64_t> operations_ = 0;

  const std::shared_ptr<Files> files_;
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace ebb

#endif  // EBB_TESTS_TESTING_FAULTY_DISK_H_

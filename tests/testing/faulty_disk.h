// A disk under RocksDB that fails when told to, and forgets what was not
// synced when the power goes.
//
//   FaultyDisk disk;
//   auto store = RocksDbStore::Open({.folder = folder, .env = disk.env()});
//   disk.FailAfter(10'000, rocksdb::IOStatus::NoSpace("disk full"));
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

#include "absl/functional/function_ref.h"
#include "common/mutex.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace ebb {

// Thread-safe: RocksDB writes from several threads. Outlives the databases on
// it.
class FaultyDisk {
 public:
  FaultyDisk()
      : files_(std::make_shared<Files>(this)),
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

  // With nothing open on the disk: each file ends where it was last synced,
  // or `keep(unsynced bytes)` later.
  void LoseUnsynced(absl::FunctionRef<int64_t(int64_t)> keep) {
    MutexLock lock(&mu_);
    for (auto& [path, size] : sizes_) {
      std::error_code gone;
      const auto now =
          static_cast<int64_t>(std::filesystem::file_size(path, gone));
      if (gone || now <= size.synced) continue;
      std::filesystem::resize_file(path, size.synced + keep(now - size.synced));
    }
    sizes_.clear();
  }

 private:
  struct Size {
    int64_t written = 0;
    int64_t synced = 0;
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
      rocksdb::IOStatus fault;
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
      rocksdb::IOStatus status = disk_->SyncFault();
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

  class Files final : public rocksdb::FileSystemWrapper {
   public:
    explicit Files(FaultyDisk* disk)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}

    const char* Name() const override { return "FaultyDisk"; }
    rocksdb::IOStatus NewWritableFile(
        const std::string& path, const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSWritableFile>* file,
        rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus status = disk_->Fault();
      if (status.ok()) {
        status = target()->NewWritableFile(path, options, file, context);
      }
      if (!status.ok()) return status;
      disk_->Created(path);
      *file = std::make_unique<File>(disk_, path, std::move(*file));
      return status;
    }
    rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                                 const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
      rocksdb::IOStatus status = disk_->Fault();
      if (status.ok()) {
        status = target()->RenameFile(from, to, options, context);
      }
      if (status.ok()) disk_->Renamed(from, to);
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
  void Created(const std::string& path) {
    MutexLock lock(&mu_);
    sizes_[path] = {};
  }
  void Synced(const std::string& path) {
    MutexLock lock(&mu_);
    sizes_[path].synced = sizes_[path].written;
  }
  void Renamed(const std::string& from, const std::string& to) {
    MutexLock lock(&mu_);
    sizes_[to] = sizes_[from];
    sizes_.erase(from);
  }

  Mutex mu_;
  int64_t room_ ABSL_GUARDED_BY(mu_) = std::numeric_limits<int64_t>::max();
  rocksdb::IOStatus fault_ ABSL_GUARDED_BY(mu_);
  rocksdb::IOStatus sync_fault_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Size> sizes_ ABSL_GUARDED_BY(mu_);
  // Counters only; nothing is ordered by them.
  std::atomic<int64_t> failures_ = 0;
  std::atomic<int64_t> bytes_written_ = 0;

  const std::shared_ptr<Files> files_;
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace ebb

#endif  // EBB_TESTS_TESTING_FAULTY_DISK_H_

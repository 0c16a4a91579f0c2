#include "server/store/internal/rescue.h"

#include <glog/logging.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/storage/store_folder.h"
#include "server/store/internal/blob_records.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/store_keys.h"
#include "server/store/manifest.h"

namespace ebb::server {

namespace {

// The files of a folder with this ending, in the order they were created.
std::vector<std::string> FilesIn(rocksdb::Env* env, const std::string& folder,
                                 absl::string_view ending) {
  std::vector<std::string> names;
  // If a folder cannot be listed, there is nothing to rescue in it.
  env->GetChildren(folder, &names).PermitUncheckedError();
  std::erase_if(names, [ending](const std::string& name) {
    return !absl::EndsWith(name, ending);
  });
  // The numbers have six digits or more.
  std::ranges::sort(names, {}, [](const std::string& name) {
    return std::pair(name.size(), name);
  });
  return names;
}

// Finds records in files, and reads them again.
class Finds {
 public:
  // A place of a value, which need not be sound, nor the newest of its key.
  struct Place {
    size_t file = 0;
    size_t offset = 0;
    size_t size = 0;
  };

  explicit Finds(rocksdb::Env* env) : env_(env) {}

  void AddBlobFiles(const std::string& folder) {
    for (const std::string& name : FilesIn(env_, folder, ".blob")) {
      const std::string path = absl::StrCat(folder, "/", name);
      std::string bytes;
      std::unique_ptr<rocksdb::RandomAccessFile> file;
      rocksdb::Status status = rocksdb::ReadFileToString(env_, path, &bytes);
      if (status.ok()) {
        status = env_->NewRandomAccessFile(path, &file, rocksdb::EnvOptions());
      }
      if (!status.ok()) {
        LOG(ERROR) << "event=file_unreadable file=" << path << " "
                   << status.ToString();
        continue;
      }
      for (BlobRecord& record : FindBlobRecords(bytes)) {
        places_[std::move(record.key)].push_back(
            {files_.size(), record.offset, record.size});
      }
      files_.push_back(std::move(file));
    }
  }

  // All keys with their places, oldest first.
  const std::map<std::string, std::vector<Place>>& places() const {
    return places_;
  }

  // The newest value of the key for which `sound` is true.
  template <typename Sound>
  std::optional<std::string> Newest(const std::string& key,
                                    const Sound& sound) const {
    const auto it = places_.find(key);
    if (it == places_.end()) return std::nullopt;
    for (auto place = it->second.rbegin(); place != it->second.rend();
         ++place) {
      std::string value(place->size, '\0');
      rocksdb::Slice read;
      const rocksdb::Status status = files_[place->file]->Read(
          place->offset, place->size, &read, value.data());
      if (!status.ok() || read.size() != place->size) continue;
      value.assign(read.data(), read.size());
      if (sound(value)) return value;
    }
    return std::nullopt;
  }

 private:
  rocksdb::Env* const env_;  // Not owned.
  std::vector<std::unique_ptr<rocksdb::RandomAccessFile>> files_;
  std::map<std::string, std::vector<Place>> places_;
};

// Turns the log's records into blob files in `scratch`: a database replays the
// logs that it finds in its folder when it is opened, but not when it is
// created, and only those with numbers above its own.
absl::Status ReplayLog(const std::string& from, const std::string& scratch,
                       const DatabaseOptions& options, rocksdb::Env* env) {
  EBB_RETURN_IF_ERROR(
      OpenDatabase(scratch, options, OpenMode::kWrite).status());
  for (const std::string& name : FilesIn(env, from, ".log")) {
    std::error_code error;
    std::filesystem::copy_file(absl::StrCat(from, "/", name),
                               absl::StrCat(scratch, "/1", name), error);
    if (!error) continue;
    const absl::StatusCode code = CodeOfSystemError(error.message());
    return absl::Status(code,
                        absl::StrCat("cannot copy the log of ", from, ": ",
                                     error.message(), "; ", NextStepFor(code)));
  }
  // RocksDB may still find the log to be no log at all.
  const auto replayed = OpenDatabase(scratch, options, OpenMode::kReplayLog);
  if (absl::IsDataLoss(replayed.status())) {
    LOG(ERROR) << "event=log_unreadable " << replayed.status().message();
    return absl::OkStatus();
  }
  return replayed.status();
}

// Writes what is sound among the finds to a new database.
class Copier {
 public:
  Copier(const Finds& finds, rocksdb::DB& to) : finds_(finds), to_(to) {}

  // The newest first: where an older version contradicts, it is left out.
  absl::StatusOr<Rescued> Copy() {
    const auto& places = finds_.places();
    for (auto it = places.rbegin(); it != places.rend(); ++it) {
      const std::string& key = it->first;
      if (absl::StartsWith(key, kJobsPrefix)) {
        EBB_RETURN_IF_ERROR(CopyJob(key));
      } else if (absl::StartsWith(key, kVersionsPrefix)) {
        EBB_RETURN_IF_ERROR(CopyVersion(key));
      }
    }
    EBB_RETURN_IF_ERROR(WriteBatch(to_, kDoing, LogUse::kSynced, &batch_));
    return result_;
  }

 private:
  static constexpr absl::string_view kDoing = "copy what is sound";

  absl::Status CopyJob(const std::string& key) {
    // Moved values may be in newer files than those that replaced them, but
    // generations only grow.
    Generation newest;
    const auto newer = [&](const std::string& value) {
      const auto job = DecodeStoredJob(value);
      if (!job.ok() || JobKey(job->record->id) != key) return false;
      newest = std::max(newest, job->generation);
      return job->generation == newest;
    };
    // Once for the newest generation, once for its newest record.
    finds_.Newest(key, [&](const std::string& value) {
      newer(value);
      return false;
    });
    const std::optional<std::string> value = finds_.Newest(key, newer);
    if (!value.has_value()) return absl::OkStatus();
    ++result_.jobs;
    return Put(key, *value);
  }

  absl::Status CopyVersion(const std::string& key) {
    const std::optional<std::string> value =
        finds_.Newest(key, [&](const std::string& candidate) {
          const auto manifest = DecodeManifest(candidate);
          return manifest.ok() && ManifestKey(manifest->key) == key &&
                 HasAllBlocks(*manifest);
        });
    if (!value.has_value()) return absl::OkStatus();
    EBB_ASSIGN_OR_RETURN(const Manifest manifest, DecodeManifest(*value));
    const PartitionName partition = PartitionOf(manifest.key);
    for (const StoredBlock& block : manifest.DistinctBlocks()) {
      const auto [it, added] =
          copied_.try_emplace({partition, block.number}, block.checksum);
      if (!added) continue;
      const std::optional<std::string> bytes = FindBlock(partition, block);
      if (!bytes.has_value()) {
        return absl::UnavailableError(absl::StrCat(
            VersionName(manifest.key), ": block ", block.number,
            " could be read once, but not twice; look at the disk"));
      }
      EBB_RETURN_IF_ERROR(Put(BlockKey(partition, block.number), *bytes));
    }
    LOG(INFO) << "event=version_rescued " << VersionName(manifest.key);
    ++result_.versions;
    return Put(key, *value);
  }

  bool HasAllBlocks(const Manifest& manifest) const {
    const PartitionName partition = PartitionOf(manifest.key);
    return std::ranges::all_of(
        manifest.DistinctBlocks(), [&](const StoredBlock& block) {
          const auto it = copied_.find({partition, block.number});
          return it != copied_.end() ? it->second == block.checksum
                                     : FindBlock(partition, block).has_value();
        });
  }

  std::optional<std::string> FindBlock(const PartitionName& partition,
                                       const StoredBlock& block) const {
    return finds_.Newest(BlockKey(partition, block.number),
                         [&block](const std::string& bytes) {
                           return UnsealBlock(block, bytes).ok();
                         });
  }

  absl::Status Put(const std::string& key, const std::string& value) {
    batch_.Put(key, value);
    if (batch_.GetDataSize() < kBatchBytes) return absl::OkStatus();
    return WriteBatch(to_, kDoing, LogUse::kUnsynced, &batch_);
  }

  const Finds& finds_;
  rocksdb::DB& to_;
  rocksdb::WriteBatch batch_;
  // Checksums by number.
  std::map<std::pair<PartitionName, uint64_t>, uint64_t> copied_;
  Rescued result_;
};

}  // namespace

absl::StatusOr<Rescued> RescueDatabase(const std::string& from,
                                       const std::string& scratch,
                                       const std::string& to,
                                       const DatabaseOptions& options) {
  rocksdb::Env* const env =
      options.env != nullptr ? options.env : rocksdb::Env::Default();
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<rocksdb::DB> target,
                       OpenDatabase(to, options, OpenMode::kWrite));
  EBB_RETURN_IF_ERROR(ReplayLog(from, scratch, options, env));
  Finds finds(env);
  finds.AddBlobFiles(from);
  finds.AddBlobFiles(scratch);
  return Copier(finds, *target).Copy();
}

}  // namespace ebb::server

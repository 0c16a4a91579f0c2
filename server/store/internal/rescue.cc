#include "server/store/internal/rescue.h"

#include <glog/logging.h>

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/manifest.h"
#include "server/store/internal/store_keys.h"

namespace ebb::server {

namespace {

std::unique_ptr<rocksdb::DB> OpenWhatOpens(const std::string& path,
                                           const DatabaseOptions& options) {
  for (const OpenMode mode :
       {OpenMode::kReadDamaged, OpenMode::kReadRemnants}) {
    auto db = OpenDatabase(path, options, mode);
    if (db.ok()) return *std::move(db);
    LOG(ERROR) << "event=store_unreadable " << db.status().message();
  }
  return nullptr;
}

// Records by key; found in any order, some of them twice.
using Records = std::map<std::string, std::string>;

void Collect(rocksdb::DB& db, absl::string_view prefix, Records* records) {
  ScanDamaged(db, prefix, [&](absl::string_view key, absl::string_view value) {
    records->try_emplace(std::string(key), value);
  });
}

class Copier {
 public:
  Copier(rocksdb::DB& from, rocksdb::DB& to) : from_(from), to_(to) {}

  absl::Status CopyJobs() {
    Collect(from_, kJobsPrefix, &jobs_);
    for (const auto& [key, value] : jobs_) {
      const auto job = DecodeStoredJob(value);
      if (!job.ok() || JobKey(job->record->id) != key) continue;
      // Versions between two damaged places are found partition by partition.
      for (int32_t p = 0; p < job->record->plan.partitions; ++p) {
        Collect(
            from_,
            PartitionPrefix(kVersionsPrefix, {job->record->id, PartitionId(p)}),
            &manifests_);
      }
      EBB_RETURN_IF_ERROR(Put(key, value));
      ++result_.jobs;
    }
    return Flush();
  }

  absl::Status CopyVersions() {
    Collect(from_, kVersionsPrefix, &manifests_);
    for (const auto& [key, value] : manifests_) {
      const auto manifest = DecodeManifest(value);
      if (!manifest.ok() || ManifestKey(manifest->key) != key) {
        ++result_.lost;
        continue;
      }
      const absl::Status sound = ReadBlocks(
          from_, *manifest,
          [](const StoredBlock&, auto...) { return absl::OkStatus(); });
      if (!sound.ok()) {
        LOG(ERROR) << "event=version_lost " << sound.message();
        ++result_.lost;
        continue;
      }
      EBB_RETURN_IF_ERROR(CopyBlocks(*manifest));
      EBB_RETURN_IF_ERROR(Put(key, value));
      ++result_.versions;
    }
    return Flush();
  }

  const Rescued& result() const { return result_; }

 private:
  absl::Status CopyBlocks(const Manifest& manifest) {
    const PartitionName partition = PartitionOf(manifest.key);
    return ReadBlocks(from_, manifest,
                      [&](const StoredBlock& block, absl::string_view record,
                          absl::string_view floats) -> absl::Status {
                        if (!copied_.emplace(partition, block.number).second) {
                          return absl::OkStatus();
                        }
                        return Put(BlockKey(partition, block.number), record);
                      });
  }

  absl::Status Put(absl::string_view key, absl::string_view value) {
    batch_.Put(ToSlice(key), ToSlice(value));
    if (batch_.GetDataSize() < kBatchBytes) return absl::OkStatus();
    return WriteBatch(to_, "copy what is sound", /*sync=*/false, &batch_);
  }
  absl::Status Flush() {
    return WriteBatch(to_, "copy what is sound", /*sync=*/true, &batch_);
  }

  rocksdb::DB& from_;
  rocksdb::DB& to_;
  rocksdb::WriteBatch batch_;
  Records jobs_;
  Records manifests_;
  std::set<std::pair<PartitionName, uint64_t>> copied_;
  Rescued result_;
};

}  // namespace

absl::StatusOr<Rescued> RescueDatabase(const std::string& from,
                                       const std::string& to,
                                       const DatabaseOptions& options) {
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<rocksdb::DB> target,
                       OpenDatabase(to, options, OpenMode::kWrite));
  const std::unique_ptr<rocksdb::DB> source = OpenWhatOpens(from, options);
  if (source == nullptr) return Rescued{};
  Copier copier(*source, *target);
  EBB_RETURN_IF_ERROR(copier.CopyJobs());
  EBB_RETURN_IF_ERROR(copier.CopyVersions());
  return copier.result();
}

}  // namespace ebb::server

#include "server/store/internal/database.h"

#include <cstdarg>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/storage/store_folder.h"
#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/store_keys.h"

namespace ebb::server {

namespace {

// RocksDB's own log tells operators no more than its answers. Where the disk is
// full, its second line that cannot be written aborts the process, in packages
// that have assertions.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options RocksOptions(const DatabaseOptions& options) {
  rocksdb::Options rocks;
  if (options.env != nullptr) rocks.env = options.env;
  rocks.wal_filter = options.log_reading;
  // Values are written once and deleted as a whole, so they go to blob files:
  // compactions then rewrite their keys (some 80 bytes each), not them. As all
  // values do, the tables are only an index: blob files and log have
  // everything that a rescue needs.
  rocks.enable_blob_files = true;
  rocks.min_blob_size = 0;
  rocks.blob_file_size = 64 << 20;              // A rescue reads whole ones.
  rocks.compression = rocksdb::kNoCompression;  // Floats gain nothing.
  // A file goes when all in it is deleted, which is the rule: whole versions
  // are. Moving what is left in files that are half garbage with every
  // compaction, as RocksDB would, writes values several times over; see
  // CollectGarbage.
  rocks.enable_blob_garbage_collection = false;
  rocks.write_buffer_size = options.write_buffer_bytes;
  rocks.max_write_buffer_number = 2;
  rocks.max_total_wal_size = 2 * options.write_buffer_bytes;
  // Deleted blocks leave the disk with a compaction: be early with it.
  rocks.level0_file_num_compaction_trigger = 4;
  rocks.max_background_jobs = 2;
  // Spread what a sync would otherwise write in one go.
  rocks.bytes_per_sync = 1 << 20;
  rocks.wal_bytes_per_sync = 1 << 20;
  rocks.info_log = std::make_shared<NoLog>();
  rocks.stats_dump_period_sec = 0;
  rocks.stats_persist_period_sec = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(1 << 20);
  // Values are read in the order in which they were written.
  rocks.advise_random_on_open = false;
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return rocks;
}

// Without the file CURRENT RocksDB would take the folder for a new one, and
// delete what is in it.
absl::Status CheckPresent(const std::string& path, rocksdb::Env* env,
                          bool* present) {
  *present = env->FileExists(absl::StrCat(path, "/CURRENT")).ok();
  if (*present) return absl::OkStatus();
  std::vector<std::string> names;
  // A folder that cannot be listed cannot be opened either.
  env->GetChildren(path, &names).PermitUncheckedError();
  for (const std::string& name : names) {
    if (absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".blob") ||
        absl::EndsWith(name, ".log")) {
      return absl::DataLossError(absl::StrCat("checkpoint store ", path,
                                              ": its file CURRENT is missing"));
    }
  }
  return absl::OkStatus();
}

// The overload without column families takes a database of one table, or of one
// level, for one that has no blob files, once its log is empty: it then finds
// none of the values (RocksDB's CompactedDBImpl).
rocksdb::Status OpenForReadOnly(const rocksdb::Options& rocks,
                                const std::string& path, rocksdb::DB** db) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::Status status = rocksdb::DB::OpenForReadOnly(
      rocks, path, {{rocksdb::kDefaultColumnFamilyName, rocks}}, &handles, db);
  // The database has another of its own.
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    (*db)->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  return status;
}

bool IsDamage(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsPathNotFound();
}

rocksdb::ReadOptions ReadOnce() {
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  read.fill_cache = false;
  return read;
}

}  // namespace

bool HasDatabase(const std::string& path, rocksdb::Env* env) {
  if (!env->FileExists(path).ok()) return false;
  bool present = false;
  if (!CheckPresent(path, env, &present).ok() || present) return true;
  std::vector<std::string> names;
  return !env->GetChildren(path, &names).ok();
}

absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenDatabase(
    const std::string& path, const DatabaseOptions& options, OpenMode mode) {
  rocksdb::Options rocks = RocksOptions(options);
  bool present = false;
  const absl::Status check = CheckPresent(path, rocks.env, &present);
  rocksdb::DB* db = nullptr;
  rocksdb::Status status;
  switch (mode) {
    case OpenMode::kWrite:
      EBB_RETURN_IF_ERROR(check);
      rocks.create_if_missing = !present;
      // Only the end of the log may be cut short: that is what a crash does,
      // and nothing there was acknowledged.
      rocks.wal_recovery_mode =
          rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
      status = rocksdb::DB::Open(rocks, path, &db);
      break;
    case OpenMode::kRead:
      // The process beside may be writing the log's end.
      rocks.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
      status = OpenForReadOnly(rocks, path, &db);
      break;
    case OpenMode::kReadWhole:
      rocks.wal_recovery_mode =
          rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
      status = OpenForReadOnly(rocks, path, &db);
      break;
    case OpenMode::kReplayLog:
      rocks.wal_recovery_mode =
          rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
      status = rocksdb::DB::Open(rocks, path, &db);
      break;
  }
  if (!status.ok()) return ToStatus(path, "open it", status);
  return std::unique_ptr<rocksdb::DB>(db);
}

absl::Status ToStatus(absl::string_view path, absl::string_view doing,
                      const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string why = status.ToString();
  const auto told = [&](absl::StatusCode code, absl::string_view next) {
    return absl::Status(
        code, absl::StrCat("checkpoint store ", path, ": cannot ", doing, ": ",
                           why, "; ", next));
  };
  if (IsDamage(status)) {
    return told(absl::StatusCode::kDataLoss,
                "something stored is damaged or missing; what is sound is kept "
                "when the server opens it for writing");
  }
  if (status.IsNoSpace()) {
    return told(absl::StatusCode::kResourceExhausted,
                NextStepFor(absl::StatusCode::kResourceExhausted));
  }
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
    return told(absl::StatusCode::kFailedPrecondition,
                "is it the folder of another program, or of a newer ebb?");
  }
  const absl::StatusCode code = CodeOfSystemError(why);
  return told(code, NextStepFor(code));
}

absl::Status Scan(rocksdb::DB& db, absl::string_view prefix,
                  RecordVisitor visit) {
  const std::string end = PrefixEnd(prefix);
  const rocksdb::Slice bound = ToSlice(end);
  rocksdb::ReadOptions read = ReadOnce();
  read.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator(read));
  for (it->Seek(ToSlice(prefix)); it->Valid(); it->Next()) {
    visit(ToView(it->key()), ToView(it->value()));
  }
  return ToStatus(db.GetName(), "list it", it->status());
}

absl::Status ReadBlocks(rocksdb::DB& db, const Manifest& manifest,
                        BlockVisitor visit) {
  const rocksdb::ReadOptions read = ReadOnce();
  const auto damaged = [&](absl::string_view why) {
    return absl::DataLossError(absl::StrCat(
        "checkpoint ", VersionName(manifest.key), " is damaged: ", why));
  };
  rocksdb::PinnableSlice record;
  for (const StoredBlock& block : manifest.DistinctBlocks()) {
    const std::string key = BlockKey(PartitionOf(manifest.key), block.number);
    record.Reset();
    const rocksdb::Status found =
        db.Get(read, db.DefaultColumnFamily(), ToSlice(key), &record);
    if (found.IsNotFound() && !found.IsPathNotFound()) {
      return damaged(absl::StrCat("block ", block.number, " is missing"));
    }
    if (IsDamage(found)) return damaged(found.ToString());
    EBB_RETURN_IF_ERROR(ToStatus(db.GetName(), "read it", found));
    const auto floats = UnsealBlock(block, ToView(record));
    if (!floats.ok()) return damaged(floats.status().message());
    EBB_RETURN_IF_ERROR(visit(block, ToView(record), *floats));
  }
  return absl::OkStatus();
}

absl::Status CollectGarbage(rocksdb::DB& db) {
  uint64_t bytes = 0, garbage = 0;
  db.GetIntProperty(rocksdb::DB::Properties::kLiveBlobFileSize, &bytes);
  db.GetIntProperty(rocksdb::DB::Properties::kLiveBlobFileGarbageSize,
                    &garbage);
  if (garbage < kLeastGarbage || garbage < bytes / 2) return absl::OkStatus();
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForce;
  options.blob_garbage_collection_policy =
      rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = 1;
  return ToStatus(db.GetName(), "make room",
                  db.CompactRange(options, nullptr, nullptr));
}

absl::Status WriteBatch(rocksdb::DB& db, absl::string_view doing, LogUse log,
                        rocksdb::WriteBatch* batch) {
  rocksdb::WriteOptions write;
  write.sync = log == LogUse::kSynced;
  write.disableWAL = log == LogUse::kNone;
  const rocksdb::Status status = db.Write(write, batch);
  batch->Clear();
  return ToStatus(db.GetName(), doing, status);
}

}  // namespace ebb::server

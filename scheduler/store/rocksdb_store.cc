#include "scheduler/store/rocksdb_store.h"

#include <glog/logging.h>

#include <cstdarg>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "common/storage/folder_owner.h"
#include "protocol/field_codec.h"
#include "protocol/sealed_fields.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/write_batch.h"

namespace ebb::scheduler {

namespace {

constexpr absl::string_view kDatabase = "db";
constexpr absl::string_view kMagic = "EBBR";
constexpr uint32_t kVersion = 1;

// RocksDB's own log tells operators no more than its answers. Where the disk is
// full, its second line that cannot be written aborts the process, in packages
// that have assertions.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options RocksOptions(const RocksDbStoreOptions& options) {
  rocksdb::Options rocks;
  if (options.env != nullptr) rocks.env = options.env;
  rocks.compression = rocksdb::kNoCompression;
  rocks.write_buffer_size = 4 << 20;
  rocks.max_total_wal_size = 8 << 20;
  rocks.max_background_jobs = 2;
  rocks.info_log = std::make_shared<NoLog>();
  rocks.stats_dump_period_sec = 0;
  rocks.stats_persist_period_sec = 0;
  // Only the end of the log may be cut short: that is what a crash does, and
  // nothing there was acknowledged.
  rocks.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  return rocks;
}

absl::Status ToStatus(absl::string_view folder, absl::string_view doing,
                      const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string why = status.ToString();
  absl::StatusCode code = CodeOfSystemError(why);
  absl::string_view next = NextStepFor(code);
  if (status.IsCorruption() || status.IsPathNotFound()) {
    code = absl::StatusCode::kDataLoss;
    next = "something stored is damaged or missing";
  } else if (status.IsNoSpace()) {
    code = absl::StatusCode::kResourceExhausted;
    next = NextStepFor(code);
  } else if (status.IsInvalidArgument() || status.IsNotSupported()) {
    code = absl::StatusCode::kFailedPrecondition;
    next = "is it the folder of another program, or of a newer ebb?";
  }
  return absl::Status(
      code, absl::StrCat("scheduler store ", folder, ": cannot ", doing, ": ",
                         why, "; ", next));
}

// The key is in the value too, so that no value is taken for another's.
std::string EncodeRecord(const std::string& key, const std::string& value) {
  return SealFields(kMagic, kVersion, key, value);
}

absl::Status DecodeRecord(absl::string_view stored_key, absl::string_view bytes,
                          std::string* key, std::string* value) {
  const std::string what =
      absl::StrCat("scheduler store: record ", absl::CHexEscape(stored_key));
  EBB_RETURN_IF_ERROR(
      UnsealFields(kMagic, kVersion, what, bytes,
                   [&](FieldReader& read, uint32_t) { read(*key, *value); }));
  if (*key == stored_key) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, ": it is another's value"));
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
    if (absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log")) {
      return absl::DataLossError(absl::StrCat("scheduler store ", path,
                                              ": its file CURRENT is missing"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

RocksDbStore::RocksDbStore(RocksDbStoreOptions options, StoreFolder folder)
    : options_(std::move(options)), folder_(std::move(folder)) {}

RocksDbStore::~RocksDbStore() = default;

absl::StatusOr<std::unique_ptr<RocksDbStore>> RocksDbStore::Open(
    RocksDbStoreOptions options) {
  if (options.folder.empty()) {
    return absl::InvalidArgumentError("scheduler store: no folder is named");
  }
  EBB_ASSIGN_OR_RETURN(StoreFolder folder,
                       LockFor(FolderOwner{}, options.folder));
  auto store =
      std::make_unique<RocksDbStore>(std::move(options), std::move(folder));
  absl::Status opened = store->OpenDatabase(/*for_writing=*/true);
  absl::StatusOr<Records> records =
      opened.ok() ? store->ReadAll() : absl::StatusOr<Records>(opened);
  if (absl::IsDataLoss(records.status())) {
    EBB_RETURN_IF_ERROR(store->StartAnew(records.status()));
    records = Records();
  } else if (!opened.ok() && !absl::IsFailedPrecondition(opened)) {
    // A full disk must not cost what is stored on it.
    LOG(ERROR) << "event=store_read_only " << opened.message();
    if (!store->OpenDatabase(/*for_writing=*/false).ok()) return opened;
    records = store->ReadAll();
  }
  EBB_ASSIGN_OR_RETURN(store->records_, std::move(records));
  return store;
}

absl::Status RocksDbStore::OpenDatabase(bool for_writing) {
  db_.reset();
  writable_ = false;
  const std::string path = folder_.File(kDatabase);
  rocksdb::Options rocks = RocksOptions(options_);
  bool present = false;
  EBB_RETURN_IF_ERROR(CheckPresent(path, rocks.env, &present));
  rocks.create_if_missing = !present;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      for_writing ? rocksdb::DB::Open(rocks, path, &db)
                  : rocksdb::DB::OpenForReadOnly(rocks, path, &db);
  EBB_RETURN_IF_ERROR(ToStatus(options_.folder, "open it", status));
  db_.reset(db);
  writable_ = for_writing;
  return absl::OkStatus();
}

absl::StatusOr<RocksDbStore::Records> RocksDbStore::ReadAll() {
  Records records;
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    std::string key, value;
    EBB_RETURN_IF_ERROR(DecodeRecord({it->key().data(), it->key().size()},
                                     {it->value().data(), it->value().size()},
                                     &key, &value));
    records.emplace_hint(records.end(), std::move(key), std::move(value));
  }
  EBB_RETURN_IF_ERROR(ToStatus(options_.folder, "read it", it->status()));
  return records;
}

absl::StatusOr<std::map<std::string, std::string>> RocksDbStore::Load() {
  return records_;
}

// After a failed write it is unknown whether the write is in the log, and
// RocksDB may refuse later ones. Opening anew answers both; what the log kept
// of it is undone.
absl::Status RocksDbStore::EnsureWritable() {
  if (writable_) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(OpenDatabase(/*for_writing=*/true));
  EBB_ASSIGN_OR_RETURN(const Records found, ReadAll());
  std::vector<StoreWrite> undo;
  for (const auto& [key, value] : found) {
    if (!records_.contains(key)) undo.push_back({key, std::nullopt});
  }
  for (const auto& [key, value] : records_) {
    const auto it = found.find(key);
    if (it == found.end() || it->second != value) undo.push_back({key, value});
  }
  return undo.empty() ? absl::OkStatus() : Write(undo);
}

absl::Status RocksDbStore::Write(const std::vector<StoreWrite>& writes) {
  rocksdb::WriteBatch batch;
  for (const StoreWrite& write : writes) {
    if (write.value.has_value()) {
      batch.Put(write.key, EncodeRecord(write.key, *write.value));
    } else {
      batch.Delete(write.key);
    }
  }
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status status = db_->Write(options, &batch);
  if (!status.ok()) writable_ = false;
  return ToStatus(options_.folder, "write", status);
}

// Writes all that is known to a new database.
absl::Status RocksDbStore::StartAnew(const absl::Status& why) {
  db_.reset();
  writable_ = false;
  EBB_ASSIGN_OR_RETURN(set_aside_, folder_.SetAside(kDatabase));
  LOG(ERROR) << "event=store_damaged " << why.message()
             << "; a new one was started with " << records_.size()
             << " records; set_aside=" << set_aside_
             << " (delete that folder when you need not look at it)";
  EBB_RETURN_IF_ERROR(OpenDatabase(/*for_writing=*/true));
  std::vector<StoreWrite> all;
  for (const auto& [key, value] : records_) all.push_back({key, value});
  return all.empty() ? absl::OkStatus() : Write(all);
}

absl::Status RocksDbStore::Commit(const std::vector<StoreWrite>& writes) {
  absl::Status status = EnsureWritable();
  if (status.ok()) status = Write(writes);
  if (absl::IsDataLoss(status)) {
    status = StartAnew(status);
    if (status.ok()) status = Write(writes);
  }
  EBB_RETURN_IF_ERROR(status);
  for (const StoreWrite& write : writes) {
    if (write.value.has_value()) {
      records_.insert_or_assign(write.key, *write.value);
    } else {
      records_.erase(write.key);
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::scheduler

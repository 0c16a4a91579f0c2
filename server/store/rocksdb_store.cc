#include "server/store/rocksdb_store.h"

#include <glog/logging.h>

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/storage/folder_owner.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "rocksdb/write_batch.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/database.h"
#include "server/store/internal/log_reading.h"
#include "server/store/internal/rescue.h"
#include "server/store/internal/store_keys.h"
#include "server/store/internal/version_index.h"
#include "server/store/manifest.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kDatabase = "db";
constexpr absl::string_view kRescued = "db.rescued";
constexpr absl::string_view kScratch = "db.scratch";

DatabaseOptions DatabaseOptionsOf(const RocksDbStoreOptions& options) {
  return {.write_buffer_bytes = options.write_buffer_bytes, .env = options.env};
}

// Damage to one record does not affect the others. Any other obstacle to
// reading a record (a newer ebb wrote it) is for a person to decide.
bool IsDamagedRecord(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsInvalidArgument(status);
}

}  // namespace

absl::Status RocksDbStoreOptions::Validate() const {
  if (folder.empty()) {
    return absl::InvalidArgumentError("checkpoint store: no folder is named");
  }
  if (write_buffer_bytes < int64_t{64} << 10) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint store: write_buffer_bytes is ",
                     write_buffer_bytes, ", at least 65536 needed"));
  }
  return absl::OkStatus();
}

RocksDbStore::RocksDbStore(RocksDbStoreOptions options,
                           std::optional<StoreFolder> folder)
    : options_(std::move(options)),
      folder_(std::move(folder)),
      path_(absl::StrCat(options_.folder, "/", kDatabase)),
      index_(std::make_unique<VersionIndex>()) {}

RocksDbStore::~RocksDbStore() = default;

// --- Opening -----------------------------------------------------------------

absl::StatusOr<std::unique_ptr<RocksDbStore>> RocksDbStore::Open(
    RocksDbStoreOptions options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  EBB_ASSIGN_OR_RETURN(
      StoreFolder folder,
      options.server ? LockFor(FolderOwner{options.server}, options.folder)
                     : StoreFolder::Lock(options.folder));
  auto store =
      std::make_unique<RocksDbStore>(std::move(options), std::move(folder));
  EBB_RETURN_IF_ERROR(store->FinishRescue());
  const absl::Status opened = store->OpenForWriting();
  if (store->db_ == nullptr) EBB_RETURN_IF_ERROR(opened);
  if (!opened.ok()) {
    LOG(ERROR) << "event=store_read_only " << opened.message();
  }
  return store;
}

absl::StatusOr<std::unique_ptr<RocksDbStore>> RocksDbStore::OpenReadOnly(
    RocksDbStoreOptions options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  auto store = std::make_unique<RocksDbStore>(std::move(options), std::nullopt);
  rocksdb::Env* const env = store->options_.env != nullptr
                                ? store->options_.env
                                : rocksdb::Env::Default();
  if (!HasDatabase(store->path_, env)) {
    return absl::NotFoundError(absl::StrCat("there is no checkpoint store in ",
                                            store->options_.folder));
  }
  // A server beside it may delete files after it was read which there are.
  constexpr int kLooks = 5;
  absl::Status opened = store->OpenForReading();
  for (int look = 1;
       look < kLooks && absl::IsDataLoss(opened) && !store->options_.whole_log;
       ++look) {
    opened = store->OpenForReading();
  }
  EBB_RETURN_IF_ERROR(opened);
  return store;
}

absl::Status RocksDbStore::OpenForReading() {
  db_.reset();
  writable_ = false;
  DatabaseOptions options = DatabaseOptionsOf(options_);
  auto opened =
      OpenDatabase(path_, options,
                   options_.whole_log ? OpenMode::kReadWhole : OpenMode::kRead);
  const bool log_damaged =
      options_.whole_log && absl::IsDataLoss(opened.status());
  if (log_damaged) {
    log_reading_ = std::make_unique<LogReading>();
    options.log_reading = log_reading_.get();
    opened = OpenDatabase(path_, options, OpenMode::kRead);
  }
  EBB_ASSIGN_OR_RETURN(db_, std::move(opened));
  if (log_damaged) {
    condition_.log_damaged = true;
    condition_.unread_log = log_reading_->Unread(db_->GetEnv(), path_);
  }
  EBB_ASSIGN_OR_RETURN(VersionIndex index, ReadIndex());
  Replace(std::move(index));
  return absl::OkStatus();
}

// What cannot be written can be read at least: a full disk must not cost the
// checkpoints on it.
absl::Status RocksDbStore::OpenForWriting() {
  absl::Status status = TryOpenForWriting();
  if (absl::IsDataLoss(status)) {
    status = Rescue(status);
    if (status.ok()) status = TryOpenForWriting();
  }
  if (absl::IsFailedPrecondition(status)) {
    db_.reset();
  } else if (!status.ok()) {
    if (absl::Status read = OpenForReading(); !read.ok()) {
      LOG(ERROR) << "event=store_unreadable " << read.message();
      db_.reset();
    }
  }
  return status;
}

absl::Status RocksDbStore::TryOpenForWriting() {
  db_.reset();
  writable_ = false;
  EBB_ASSIGN_OR_RETURN(
      db_, OpenDatabase(path_, DatabaseOptionsOf(options_), OpenMode::kWrite));
  EBB_ASSIGN_OR_RETURN(VersionIndex index, ReadIndex());
  EBB_RETURN_IF_ERROR(RemoveLeftovers(index));
  Replace(std::move(index));
  writable_ = true;
  if (uncertain_.has_value()) {
    EBB_RETURN_IF_ERROR(TryDelete({&*uncertain_, 1}));
    uncertain_.reset();
  }
  return absl::OkStatus();
}

// The damaged database is only read. The order of the renames leaves at each
// instant either it or what was rescued; FinishRescue tells them apart.
absl::Status RocksDbStore::Rescue(const absl::Status& why) {
  LOG(ERROR) << "event=store_damaged folder=" << options_.folder << " "
             << why.message();
  db_.reset();
  writable_ = false;
  EBB_RETURN_IF_ERROR(folder_->Remove(kRescued));
  EBB_RETURN_IF_ERROR(folder_->Remove(kScratch));
  const auto rescued =
      RescueDatabase(path_, folder_->File(kScratch), folder_->File(kRescued),
                     DatabaseOptionsOf(options_));
  // The next rescue removes what cannot be removed now.
  folder_->Remove(kScratch).IgnoreError();
  if (!rescued.ok()) {
    folder_->Remove(kRescued).IgnoreError();
    return rescued.status();
  }
  if (folder_->Has(kDatabase)) {
    EBB_ASSIGN_OR_RETURN(condition_.set_aside, folder_->SetAside(kDatabase));
  }
  EBB_RETURN_IF_ERROR(folder_->Rename(kRescued, kDatabase));
  ++condition_.rescues;
  condition_.found = std::string(why.message());
  condition_.versions_kept = rescued->versions;
  LOG(ERROR) << "event=store_rescued folder=" << options_.folder
             << " jobs=" << rescued->jobs << " versions=" << rescued->versions
             << " set_aside=" << condition_.set_aside
             << " (delete that folder when you need not look at it)";
  return absl::OkStatus();
}

StoreDamage RocksDbStore::Damage() const {
  StoreDamage damage;
  damage.rescues = condition_.rescues;
  damage.found = condition_.found;
  // A person looks for it from another folder.
  std::error_code unknown;
  const auto set_aside =
      std::filesystem::absolute(condition_.set_aside, unknown);
  damage.set_aside = unknown || condition_.set_aside.empty()
                         ? condition_.set_aside
                         : set_aside.string();
  damage.versions_kept = condition_.versions_kept;
  damage.versions_lost = condition_.damaged_records;
  if (condition_.damaged_records > 0) {
    damage.last_lost = absl::StrCat(condition_.damaged_records,
                                    " records of them are damaged");
  }
  return damage;
}

absl::Status RocksDbStore::FinishRescue() {
  EBB_RETURN_IF_ERROR(folder_->Remove(kScratch));
  if (!folder_->Has(kRescued)) return absl::OkStatus();
  if (folder_->Has(kDatabase)) return folder_->Remove(kRescued);
  return folder_->Rename(kRescued, kDatabase);
}

absl::Status RocksDbStore::EnsureReadable() const {
  if (db_ != nullptr) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "checkpoint store ", path_, " cannot be read now; see the log"));
}

absl::Status RocksDbStore::EnsureWritable() {
  if (writable_) return absl::OkStatus();
  if (!folder_.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("checkpoint store ", path_, " was opened for reading"));
  }
  return OpenForWriting();
}

// --- What is stored ----------------------------------------------------------

void RocksDbStore::Replace(VersionIndex index) {
  index.TakeOver(std::move(*index_));
  *index_ = std::move(index);
}

absl::StatusOr<VersionIndex> RocksDbStore::ReadIndex() {
  // Like a term, a number that was used once, in whatever was lost or deleted
  // since, is not used again.
  VersionIndex index(static_cast<uint64_t>(absl::ToUnixMicros(absl::Now())));
  absl::Status refused;
  int64_t damaged = 0;
  const auto judge = [&](absl::string_view key, absl::Status status) {
    if (!IsDamagedRecord(status)) {
      refused.Update(status);
      return;
    }
    ++damaged;
    LOG(ERROR) << "event=record_damaged folder=" << options_.folder
               << " record=" << key << " " << status.message();
  };
  const auto version = [&](absl::string_view key, absl::string_view value) {
    const auto manifest = DecodeManifest(value);
    if (!manifest.ok()) {
      judge(key, manifest.status());
    } else if (ManifestKey(manifest->key) != key) {
      judge(key, absl::DataLossError("it belongs to another key"));
    } else {
      index.Add(*manifest);
    }
  };
  const auto job = [&](absl::string_view key, absl::string_view value) {
    const auto stored = DecodeStoredJob(value);
    if (!stored.ok()) judge(key, stored.status());
  };
  EBB_RETURN_IF_ERROR(Scan(*db_, kJobsPrefix, job));
  EBB_RETURN_IF_ERROR(Scan(*db_, kVersionsPrefix, version));
  EBB_RETURN_IF_ERROR(refused);
  condition_.damaged_records = damaged;
  return index;
}

// Blocks that a crash left without a version have numbers above those of all
// versions (numbers only grow), so a look at one key per partition is enough.
absl::Status RocksDbStore::RemoveLeftovers(const VersionIndex& index) {
  rocksdb::WriteBatch batch;
  const std::string end = PrefixEnd(kBlocksPrefix);
  const rocksdb::Slice bound = ToSlice(end);
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read));
  for (it->Seek(ToSlice(kBlocksPrefix)); it->Valid();) {
    const auto partition = PartitionOfBlockKey(ToView(it->key()));
    if (!partition.has_value()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "checkpoint store ", path_,
          ": it has records that are no checkpoints; choose another folder"));
    }
    const std::string partition_end =
        PrefixEnd(PartitionPrefix(kBlocksPrefix, *partition));
    const std::string first =
        BlockKey(*partition, index.EndOfStored(*partition));
    it->Seek(ToSlice(first));
    if (it->Valid() && ToView(it->key()) < partition_end) {
      batch.DeleteRange(ToSlice(first), ToSlice(partition_end));
      it->Seek(ToSlice(partition_end));
    }
  }
  EBB_RETURN_IF_ERROR(ToStatus(path_, "list its blocks", it->status()));
  if (batch.Count() == 0) return absl::OkStatus();
  return WriteBatch(*db_, "remove leftovers", LogUse::kUnsynced, &batch);
}

namespace {

absl::StatusOr<Manifest> ReadManifest(rocksdb::DB& db, const VersionKey& key) {
  std::string bytes;
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  const rocksdb::Status found = db.Get(read, ToSlice(ManifestKey(key)), &bytes);
  if (found.IsNotFound() && !found.IsPathNotFound()) return NotStored(key);
  EBB_RETURN_IF_ERROR(
      ToStatus(db.GetName(), absl::StrCat("read ", VersionName(key)), found));
  EBB_ASSIGN_OR_RETURN(Manifest manifest, DecodeManifest(bytes));
  if (manifest.key != key) {
    return absl::DataLossError(absl::StrCat("checkpoint ", VersionName(key),
                                            ": its manifest is of ",
                                            VersionName(manifest.key)));
  }
  return manifest;
}

// A version whose manifest cannot be read has none: it cannot be loaded.
std::map<VersionKey, RoundSpan> RoundsOfVersions(
    rocksdb::DB& db, const JobRecord& record,
    std::span<const VersionKey> versions) {
  std::map<VersionKey, RoundSpan> all;
  if (!record.plan.rounds()) return all;
  for (const VersionKey& key : versions) {
    if (key.job != record.id) continue;
    const auto manifest = ReadManifest(db, key);
    if (!manifest.ok()) continue;
    if (const auto rounds =
            RoundsOf(record.plan, manifest->marks, NamesOf(manifest->arrays))) {
      all[key] = *rounds;
    }
  }
  return all;
}

}  // namespace

absl::StatusOr<Inventory> RocksDbStore::List() {
  EBB_RETURN_IF_ERROR(EnsureReadable());
  Inventory inventory;
  EBB_RETURN_IF_ERROR(ToStatus(path_, "read the name of the database",
                               db_->GetDbIdentity(inventory.name)));
  EBB_RETURN_IF_ERROR(
      Scan(*db_, kJobsPrefix, [&](absl::string_view, absl::string_view value) {
        auto job = DecodeStoredJob(value);
        // What cannot be decoded was logged when the store was opened.
        if (job.ok()) inventory.jobs.push_back(*std::move(job));
      }));
  inventory.versions = index_->Versions();
  for (const StoredJob& job : inventory.jobs) {
    inventory.rounds.merge(
        RoundsOfVersions(*db_, *job.record, inventory.versions));
  }
  return inventory;
}

absl::StatusOr<PartitionInventory> RocksDbStore::ListPartition(
    JobId job, PartitionId partition) {
  EBB_RETURN_IF_ERROR(EnsureReadable());
  PartitionInventory inventory;
  for (const VersionKey& key : index_->Versions()) {
    if (PartitionOf(key) == PartitionName(job, partition)) {
      inventory.versions.push_back(key);
    }
  }
  std::string bytes;
  const rocksdb::Status found =
      db_->Get(rocksdb::ReadOptions(), ToSlice(JobKey(job)), &bytes);
  if (found.IsNotFound() && !found.IsPathNotFound()) return inventory;
  EBB_RETURN_IF_ERROR(ToStatus(path_, "read a job", found));
  // What cannot be decoded was logged when the store was opened.
  if (const auto stored = DecodeStoredJob(bytes); stored.ok()) {
    inventory.rounds =
        RoundsOfVersions(*db_, *stored->record, inventory.versions);
  }
  return inventory;
}

absl::StatusOr<Cut> RocksDbStore::Load(const VersionKey& key, BlockPool* pool) {
  EBB_RETURN_IF_ERROR(EnsureReadable());
  if (!index_->Has(key)) return NotStored(key);
  EBB_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(*db_, key));
  // What was one block when it was written is one again.
  absl::flat_hash_map<uint64_t, BlockRef> blocks;  // By number.
  StoredContents known;
  EBB_RETURN_IF_ERROR(ReadBlocks(
      *db_, manifest,
      [&](const StoredBlock& stored, absl::string_view record,
          absl::string_view floats) -> absl::Status {
        EBB_ASSIGN_OR_RETURN(BlockRef block, pool->Allocate());
        EBB_RETURN_IF_ERROR(FillBlock(
            std::as_bytes(std::span(floats.data(), floats.size())), &block));
        known[block.content_id()] = stored;
        blocks[stored.number] = std::move(block);
        return absl::OkStatus();
      }));
  std::map<std::string, CutArray> arrays;
  for (const auto& [name, stored] : manifest.arrays) {
    arrays[name] =
        ArrayOf(stored, [&](uint64_t number) { return blocks.at(number); });
  }
  Cut cut = CutOf(std::move(manifest));
  cut.arrays = std::move(arrays);
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  index_->SetKnown(PartitionOf(key), std::move(known));
  return cut;
}

absl::Status RocksDbStore::Verify(const VersionKey& key) {
  EBB_RETURN_IF_ERROR(EnsureReadable());
  if (!index_->Has(key)) return NotStored(key);
  EBB_ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(*db_, key));
  return ReadBlocks(*db_, manifest,
                    [](const StoredBlock&, absl::string_view,
                       absl::string_view) { return absl::OkStatus(); });
}

// Numbers of blocks only grow, so those above all of the versions before are
// new.
absl::StatusOr<std::vector<VersionSummary>> RocksDbStore::Summaries(JobId job) {
  EBB_RETURN_IF_ERROR(EnsureReadable());
  std::vector<VersionSummary> summaries;
  std::map<PartitionName, uint64_t> first_new;
  for (const VersionKey& key : index_->Versions()) {
    if (key.job != job) continue;
    EBB_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(*db_, key));
    VersionSummary& summary = summaries.emplace_back();
    summary.key = key;
    summary.updates = manifest.updates;
    summary.written_us = manifest.written_us;
    for (const auto& [name, array] : manifest.arrays) {
      summary.value_bytes += array.floats * static_cast<int64_t>(sizeof(float));
    }
    uint64_t& next = first_new[PartitionOf(key)];
    for (const StoredBlock& block : manifest.DistinctBlocks()) {
      if (block.number < next) continue;
      summary.new_bytes += block.floats * static_cast<int64_t>(sizeof(float));
      next = block.number + 1;
    }
    summary.marks = std::move(manifest.marks);
  }
  return summaries;
}

// --- Changes -----------------------------------------------------------------

absl::Status RocksDbStore::Commit(absl::string_view doing, LogUse log,
                                  rocksdb::WriteBatch* batch) {
  absl::Status status = WriteBatch(*db_, doing, log, batch);
  // It is unknown now whether the batch is in the log, and RocksDB may refuse
  // what follows. Opening anew answers both.
  if (!status.ok()) writable_ = false;
  return status;
}

absl::Status RocksDbStore::Change(absl::FunctionRef<absl::Status()> change) {
  EBB_RETURN_IF_ERROR(EnsureWritable());
  absl::Status status = change();
  if (!absl::IsDataLoss(status)) return status;
  EBB_RETURN_IF_ERROR(Rescue(status));
  EBB_RETURN_IF_ERROR(OpenForWriting());
  return change();
}

absl::Status RocksDbStore::SaveJob(const StoredJob& job) {
  if (job.record == nullptr) {
    return absl::InvalidArgumentError("a job without a record");
  }
  const std::string key = JobKey(job.record->id);
  const std::string value = EncodeStoredJob(job);
  return Change([&] {
    rocksdb::WriteBatch batch;
    batch.Put(ToSlice(key), ToSlice(value));
    return Commit(absl::StrCat("store job ", job.record->id.value()),
                  LogUse::kSynced, &batch);
  });
}

absl::StatusOr<WriteResult> RocksDbStore::Write(const VersionKey& key,
                                                const Cut& cut) {
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  WriteResult result;
  EBB_RETURN_IF_ERROR(Change([&] { return TryWrite(key, cut, &result); }));
  return result;
}

namespace {

// Returns the bytes of the cut's values that are not stored yet. Aborted: some
// of them are not at hand either.
absl::StatusOr<int64_t> NewBytes(const VersionIndex& index,
                                 const VersionKey& key, const Cut& cut) {
  int64_t bytes = 0;
  for (const auto& [name, array] : cut.arrays) {
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const int64_t floats = array.UsedCount(i);
      if (index.Find(PartitionOf(key), array.content_id(i), floats) !=
          nullptr) {
        continue;
      }
      if (!array.at_hand(i)) return NotAtHand(key, name);
      bytes += floats * static_cast<int64_t>(sizeof(float));
    }
  }
  return bytes;
}

StoredBlock PutBlock(const PartitionName& partition, uint64_t number,
                     std::span<const float> floats,
                     rocksdb::WriteBatch* batch) {
  const SealedBlock sealed = SealBlock(floats);
  const std::string key = BlockKey(partition, number);
  const rocksdb::Slice key_part = ToSlice(key);
  const rocksdb::Slice parts[] = {ToSlice(sealed.head), ToSlice(sealed.floats),
                                  ToSlice(sealed.tail)};
  batch->Put(rocksdb::SliceParts(&key_part, 1), rocksdb::SliceParts(parts, 3));
  return {number, static_cast<int64_t>(floats.size()), sealed.checksum};
}

}  // namespace

absl::Status RocksDbStore::Flush(absl::string_view doing) {
  absl::Status status =
      ToStatus(db_->GetName(), doing, db_->Flush(rocksdb::FlushOptions()));
  if (!status.ok()) writable_ = false;  // See Commit.
  return status;
}

// Blocks go first: few to the log, unsynced, many past it, to files that are
// synced. The manifest, which makes them a version, comes last, through the log
// and synced. The log keeps the order, and its sync covers all that is before,
// so a manifest is never there without its blocks.
absl::Status RocksDbStore::TryWrite(const VersionKey& key, const Cut& cut,
                                    WriteResult* result) {
  if (index_->Has(key)) return AlreadyStored(key);
  const PartitionName partition = PartitionOf(key);
  const std::string doing = absl::StrCat("write ", VersionName(key));
  *result = {};
  Manifest manifest = ManifestOf(key, cut);
  manifest.written_us = absl::GetCurrentTimeNanos() / 1000;
  StoredContents known;
  EBB_ASSIGN_OR_RETURN(const int64_t new_bytes, NewBytes(*index_, key, cut));
  const bool logged = new_bytes <= options_.most_logged_bytes;
  const LogUse log = logged ? LogUse::kUnsynced : LogUse::kNone;
  rocksdb::WriteBatch batch;
  uncertain_ = key;
  for (const auto& [name, array] : cut.arrays) {
    StoredArray& stored = manifest.arrays[name];
    stored.floats = array.floats;
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const uint64_t content_id = array.content_id(i);
      const int64_t count = array.UsedCount(i);
      const StoredBlock* found = Find(known, content_id, count);
      if (found == nullptr) found = index_->Find(partition, content_id, count);
      if (found != nullptr) {
        stored.blocks.push_back(*found);
      } else {
        const std::span<const float> floats = array.UsedFloats(i);
        stored.blocks.push_back(
            PutBlock(partition, index_->DrawNumber(partition), floats, &batch));
        ++result->blocks_written;
        result->bytes_written += static_cast<int64_t>(floats.size_bytes());
      }
      known[content_id] = stored.blocks.back();
      if (batch.GetDataSize() >= kBatchBytes) {
        EBB_RETURN_IF_ERROR(Commit(doing, log, &batch));
      }
    }
  }
  if (!logged) {
    EBB_RETURN_IF_ERROR(Commit(doing, log, &batch));
    EBB_RETURN_IF_ERROR(Flush(doing));
  }
  if (options_.before_manifest) {
    if (logged) EBB_RETURN_IF_ERROR(Commit(doing, LogUse::kSynced, &batch));
    options_.before_manifest();
  }
  batch.Put(ToSlice(ManifestKey(key)), ToSlice(EncodeManifest(manifest)));
  EBB_RETURN_IF_ERROR(Commit(doing, LogUse::kSynced, &batch));
  uncertain_.reset();
  index_->Add(manifest);
  index_->SetKnown(partition, std::move(known));
  return absl::OkStatus();
}

absl::Status RocksDbStore::Delete(std::span<const VersionKey> keys) {
  return Change([&] { return TryDelete(keys); });
}

// One write, so a crash leaves all of it or nothing. Unsynced: a version that
// comes back after a crash is whole, and is deleted again.
absl::Status RocksDbStore::TryDelete(std::span<const VersionKey> keys) {
  rocksdb::WriteBatch batch;
  for (const VersionKey& key : keys) {
    if (index_->Has(key)) batch.Delete(ToSlice(ManifestKey(key)));
  }
  if (batch.Count() == 0) return absl::OkStatus();
  for (const auto& [partition, number] : index_->OnlyIn(keys)) {
    batch.Delete(ToSlice(BlockKey(partition, number)));
  }
  EBB_RETURN_IF_ERROR(Commit("delete versions", LogUse::kUnsynced, &batch));
  index_->Remove(keys);
  absl::Status collected = CollectGarbage(*db_);
  if (!collected.ok()) writable_ = false;  // See Commit.
  return collected;
}

absl::Status RocksDbStore::DeleteJob(JobId job) {
  const std::string blocks = JobPrefix(kBlocksPrefix, job);
  const std::string blocks_end = PrefixEnd(blocks);
  const std::string versions = JobPrefix(kVersionsPrefix, job);
  const std::string versions_end = PrefixEnd(versions);
  const std::string key = JobKey(job);
  EBB_RETURN_IF_ERROR(Change([&] {
    rocksdb::WriteBatch batch;
    batch.DeleteRange(ToSlice(versions), ToSlice(versions_end));
    batch.DeleteRange(ToSlice(blocks), ToSlice(blocks_end));
    batch.Delete(ToSlice(key));
    return Commit(absl::StrCat("delete job ", job.value()), LogUse::kSynced,
                  &batch);
  }));
  index_->RemoveJob(job);
  // Perhaps nothing is written for a long time now, so make the room free at
  // once. Compaction happens by and by in any case: no error.
  const rocksdb::Slice begin = ToSlice(blocks), end = ToSlice(blocks_end);
  const rocksdb::Status compacted =
      db_->CompactRange(rocksdb::CompactRangeOptions(), &begin, &end);
  if (!compacted.ok()) {
    LOG(WARNING) << "event=compaction_failed folder=" << options_.folder << " "
                 << compacted.ToString();
  }
  return absl::OkStatus();
}

}  // namespace ebb::server

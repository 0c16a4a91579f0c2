#include "server/store/folder_store.h"

#include <glog/logging.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/sealed.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/folder_files.h"
#include "server/store/internal/folder_layout.h"
#include "server/store/internal/partition_folder.h"
#include "server/store/internal/version_draft.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kIdentityMagic = "EBBI";
constexpr uint32_t kIdentityVersion = 1;
constexpr size_t kIdentityBytes = 16;
constexpr absl::string_view kIdentity = "identity";
constexpr absl::string_view kJobFile = "job";
constexpr absl::string_view kNewJobFile = "job.new";

std::string Below(absl::string_view folder, absl::string_view name) {
  return absl::StrCat(folder, "/", name);
}

std::string RandomBytes() {
  std::string bytes(kIdentityBytes, '\0');
  const ssize_t n = getrandom(bytes.data(), bytes.size(), 0);
  if (n != static_cast<ssize_t>(bytes.size())) std::abort();
  return bytes;
}

absl::StatusOr<std::string> ReadIdentity(FolderFiles* files,
                                         const std::string& folder) {
  const std::string path = Below(Below(folder, kIdentity), "id");
  EBB_ASSIGN_OR_RETURN(const std::string bytes, files->Read(path));
  EBB_ASSIGN_OR_RETURN(const absl::string_view id,
                       Unseal(kIdentityMagic, kIdentityVersion, path, bytes));
  return absl::BytesToHexString(id);
}

// It is made in a folder of its own, which then gets its name. One of all
// processes that try succeeds, and none sees a part of it.
absl::Status MakeIdentity(FolderFiles* files, const std::string& folder) {
  const std::string id = RandomBytes();
  const std::string made =
      Below(folder, absl::StrCat(kIdentity, ".", absl::BytesToHexString(id)));
  const std::string sealed = Seal(kIdentityMagic, kIdentityVersion, id);
  const absl::string_view parts[] = {sealed};
  EBB_RETURN_IF_ERROR(files->MakeFolder(made).status());
  absl::Status status = files->WriteNew(Below(made, "id"), parts);
  if (status.ok()) status = files->SyncFolder(made);
  if (status.ok()) status = files->Rename(made, Below(folder, kIdentity));
  if (!status.ok()) files->RemoveTree(made).IgnoreError();  // Tried our best.
  if (!absl::IsAlreadyExists(status)) EBB_RETURN_IF_ERROR(status);
  return files->SyncFolder(folder);
}

// Makes a folder, durably: also one that a process made that died before.
absl::Status MakeFolder(FolderFiles* files, const std::string& parent,
                        const std::string& path) {
  EBB_RETURN_IF_ERROR(files->MakeFolder(path).status());
  return files->SyncFolder(parent);
}

// Removing what is not there is no error.
absl::Status RemoveIfThere(FolderFiles* files, const std::string& path) {
  absl::Status removed = files->Remove(path);
  return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
}

VersionKey KeyOf(const PartitionName& partition, const TermFolder& folder,
                 const VersionFile& file) {
  return {partition.first, file.generation, partition.second, folder.term,
          file.sequence};
}

std::vector<PackName> NamesOf(const std::vector<Pack>& packs) {
  std::vector<PackName> names;
  for (const Pack& pack : packs) names.push_back(pack.name);
  return names;
}

}  // namespace

absl::Status FolderStoreOptions::Validate() const {
  if (folder.empty()) {
    return absl::InvalidArgumentError("shared checkpoints: no folder is named");
  }
  return absl::OkStatus();
}

// The facts that this store knows of a partition in which it writes.
struct FolderStore::OwnPartition {
  PartitionFolder folder;
  // The content of the newest cut written, loaded or recognized.
  PlacedContents known;

  // The term in which this store writes; 0: none.
  TermFolder term;
  uint64_t next_pack = 1;
  std::set<VersionFile> versions;  // In the term's folder.
  // The files that versions name, of terms in this folder that are ours: they
  // never change.
  std::map<VersionKey, std::vector<PackName>> named;
  // A version whose write failed, in this term, and its file of values: they
  // may be there nevertheless.
  struct Uncertain {
    VersionFile version;
    uint64_t pack = 0;
  };
  std::optional<Uncertain> uncertain;
};

bool FolderStore::IsOne(const std::string& folder) {
  return RealFolderFiles()->Read(Below(Below(folder, kIdentity), "id")).ok();
}

absl::StatusOr<std::unique_ptr<FolderStore>> FolderStore::Open(
    FolderStoreOptions options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  FolderFiles* const files =
      options.files != nullptr ? options.files : RealFolderFiles();
  if (const auto there = files->Entries(options.folder);
      absl::IsNotFound(there.status())) {
    return absl::NotFoundError(
        absl::StrCat("the folder of shared checkpoints, ", options.folder,
                     ", is not there; mount it, or make it"));
  }
  auto id = ReadIdentity(files, options.folder);
  if (absl::IsNotFound(id.status())) {
    EBB_RETURN_IF_ERROR(MakeIdentity(files, options.folder));
    id = ReadIdentity(files, options.folder);
  }
  EBB_RETURN_IF_ERROR(id.status());
  // Its maker may have died before. A folder that cannot be written can be read
  // all the same.
  files->SyncFolder(options.folder).IgnoreError();
  return std::make_unique<FolderStore>(std::move(options), files,
                                       *std::move(id));
}

FolderStore::FolderStore(FolderStoreOptions options, FolderFiles* files,
                         std::string folder_id)
    : options_(std::move(options)),
      files_(files),
      folder_id_(std::move(folder_id)) {}

FolderStore::~FolderStore() = default;

std::string FolderStore::JobPath(JobId job) const {
  return Below(options_.folder, JobFolderName(job));
}

PartitionFolder FolderStore::FolderOf(const PartitionName& partition) const {
  return PartitionFolder(files_, Below(JobPath(partition.first),
                                       PartitionFolderName(partition.second)));
}

FolderStore::OwnPartition& FolderStore::Own(const PartitionName& partition) {
  std::unique_ptr<OwnPartition>& own = own_[partition];
  if (own == nullptr) {
    own = std::make_unique<OwnPartition>(
        OwnPartition{.folder = FolderOf(partition)});
  }
  return *own;
}

absl::Status FolderStore::CheckIdentity() const {
  const auto id = ReadIdentity(files_, options_.folder);
  if (id.ok() && *id == folder_id_) return absl::OkStatus();
  if (!id.ok() && !absl::IsNotFound(id.status())) return id.status();
  return absl::UnavailableError(
      absl::StrCat(options_.folder,
                   " is not the folder of shared checkpoints that it was: "
                   "is it mounted? It is tried again"));
}

// --- What is stored ----------------------------------------------------------

absl::StatusOr<StoredJob> FolderStore::ReadJob(JobId job,
                                               ServerId server) const {
  const std::string path =
      Below(Below(JobPath(job), ServerFolderName(server)), kJobFile);
  EBB_ASSIGN_OR_RETURN(const std::string bytes, files_->Read(path));
  auto stored = DecodeStoredJob(bytes);
  if (stored.ok()) return stored;
  return absl::Status(stored.status().code(),
                      absl::StrCat(path, ": ", stored.status().message()));
}

JobRecordPtr FolderStore::RecordOf(JobId job) const {
  const auto names = files_->Entries(JobPath(job));
  if (!names.ok()) return nullptr;
  for (const std::string& name : *names) {
    const auto server = ParseServerFolder(name);
    if (!server.has_value()) continue;
    if (const auto stored = ReadJob(job, *server); stored.ok()) {
      return stored->record;
    }
  }
  return nullptr;
}

std::map<VersionKey, RoundSpan> FolderStore::RoundsOfVersions(
    const JobRecord& record, std::span<const VersionKey> versions) const {
  return RoundsOfManifests(record.plan, versions, [this](const auto& key) {
    return FolderOf(PartitionOf(key)).ReadVersion(key);
  });
}

absl::Status FolderStore::ListJob(JobId id, Inventory* inventory) const {
  const auto names = files_->Entries(JobPath(id));
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(names.status());
  std::vector<VersionKey> versions;
  for (const std::string& name : *names) {
    const auto partition = ParsePartitionFolder(name);
    if (!partition.has_value()) continue;
    EBB_ASSIGN_OR_RETURN(const std::vector<ListedTerm> terms,
                         FolderOf({id, *partition}).List());
    for (const ListedTerm& term : terms) {
      if (term.folder.server != options_.server) continue;
      for (const VersionFile& file : term.versions) {
        versions.push_back(KeyOf({id, *partition}, term.folder, file));
      }
    }
  }
  auto job = ReadJob(id, options_.server);
  if (job.ok()) {
    inventory->rounds.merge(RoundsOfVersions(*job->record, versions));
    inventory->jobs.push_back(*std::move(job));
  } else if (!absl::IsNotFound(job.status())) {
    LOG(ERROR) << "event=record_damaged " << job.status().message();
  }
  inventory->versions.insert(inventory->versions.end(), versions.begin(),
                             versions.end());
  return absl::OkStatus();
}

absl::StatusOr<std::set<JobId>> FolderStore::JobIds() const {
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       files_->Entries(options_.folder));
  std::set<JobId> jobs;
  for (const std::string& name : names) {
    if (const auto job = ParseJobFolder(name)) jobs.insert(*job);
  }
  return jobs;
}

absl::StatusOr<Inventory> FolderStore::List() {
  EBB_ASSIGN_OR_RETURN(const std::set<JobId> jobs, JobIds());
  Inventory inventory;
  for (const JobId job : jobs) EBB_RETURN_IF_ERROR(ListJob(job, &inventory));
  std::sort(inventory.versions.begin(), inventory.versions.end());
  return inventory;
}

absl::StatusOr<std::vector<StoredJob>> FolderStore::JobsOfAll(
    std::vector<std::string>* problems) {
  EBB_ASSIGN_OR_RETURN(const std::set<JobId> ids, JobIds());
  std::vector<StoredJob> jobs;
  for (const JobId id : ids) {
    EBB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                         files_->Entries(JobPath(id)));
    std::optional<StoredJob> newest;
    for (const std::string& name : names) {
      const auto server = ParseServerFolder(name);
      if (!server.has_value()) continue;
      auto job = ReadJob(id, *server);
      if (!job.ok()) {
        problems->emplace_back(job.status().message());
      } else if (!newest || newest->generation < job->generation) {
        newest = *std::move(job);
      }
    }
    if (newest) jobs.push_back(*std::move(newest));
  }
  return jobs;
}

absl::StatusOr<std::vector<ListedCopy>> FolderStore::Summaries(JobId job) {
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       files_->Entries(JobPath(job)));
  std::vector<ListedCopy> all;
  for (const std::string& name : names) {
    const auto partition = ParsePartitionFolder(name);
    if (!partition.has_value()) continue;
    const PartitionFolder folder = FolderOf({job, *partition});
    EBB_ASSIGN_OR_RETURN(const std::vector<ListedTerm> terms, folder.List());
    for (const ListedTerm& term : terms) {
      for (const VersionFile& file : term.versions) {
        const VersionKey key = KeyOf({job, *partition}, term.folder, file);
        const auto manifest = folder.ReadVersion(key);
        // Its owner has deleted it meanwhile.
        if (absl::IsNotFound(manifest.status())) continue;
        all.push_back(
            {manifest.ok() ? SummaryOf(*manifest) : VersionSummary{.key = key},
             term.folder.server});
      }
    }
  }
  std::ranges::sort(all, {},
                    [](const ListedCopy& one) { return one.version.key; });
  return all;
}

absl::StatusOr<PartitionInventory> FolderStore::ListPartition(
    JobId job, PartitionId partition) {
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedTerm> terms,
                       FolderOf({job, partition}).List());
  PartitionInventory inventory;
  for (const ListedTerm& term : terms) {
    for (const VersionFile& file : term.versions) {
      inventory.versions.push_back(KeyOf({job, partition}, term.folder, file));
    }
  }
  std::sort(inventory.versions.begin(), inventory.versions.end());
  if (!inventory.versions.empty()) {
    if (const JobRecordPtr record = RecordOf(job)) {
      inventory.rounds = RoundsOfVersions(*record, inventory.versions);
    }
  }
  return inventory;
}

namespace {

// Returns the blocks of a version, file by file and in their order there.
std::map<PackName, std::vector<StoredBlock>> ByPack(
    const FolderManifest& manifest) {
  std::map<PackName, std::vector<StoredBlock>> packs;
  for (const StoredBlock& block : manifest.version.DistinctBlocks()) {
    const BlockPlace& place = manifest.places[block.number];
    packs[manifest.packs[place.pack].name].push_back(block);
  }
  for (auto& [name, blocks] : packs) {
    std::sort(blocks.begin(), blocks.end(),
              [&](const StoredBlock& a, const StoredBlock& b) {
                return manifest.places[a.number].offset <
                       manifest.places[b.number].offset;
              });
  }
  return packs;
}

// Reads and checks each block of the version once.
absl::StatusOr<absl::flat_hash_map<uint64_t, BlockRef>> ReadBlocks(
    const PartitionFolder& folder, const FolderManifest& manifest,
    BlockPool* pool) {
  absl::flat_hash_map<uint64_t, BlockRef> blocks;  // By number.
  std::string record;
  for (const auto& [name, stored] : ByPack(manifest)) {
    std::string path;
    EBB_ASSIGN_OR_RETURN(const auto file, folder.OpenPack(name, &path));
    for (const StoredBlock& block : stored) {
      record.resize(SealedBlockBytes(block.floats));
      EBB_RETURN_IF_ERROR(file->ReadAt(manifest.places[block.number].offset,
                                       {record.data(), record.size()}));
      const auto floats = UnsealBlock(block, record);
      if (!floats.ok()) {
        return absl::DataLossError(
            absl::StrCat(path, " is damaged: ", floats.status().message()));
      }
      EBB_ASSIGN_OR_RETURN(BlockRef loaded, pool->Allocate());
      EBB_RETURN_IF_ERROR(FillBlock(
          std::as_bytes(std::span(floats->data(), floats->size())), &loaded));
      blocks[block.number] = std::move(loaded);
    }
  }
  return blocks;
}

}  // namespace

absl::StatusOr<Cut> FolderStore::Load(const VersionKey& key, BlockPool* pool) {
  auto cut = TryLoad(key, pool);
  if (absl::IsNotFound(cut.status()) || absl::IsDataLoss(cut.status())) {
    // An unmounted volume tells nothing about stored or damaged versions.
    EBB_RETURN_IF_ERROR(CheckIdentity());
  }
  return cut;
}

absl::StatusOr<Cut> FolderStore::TryLoad(const VersionKey& key,
                                         BlockPool* pool) {
  const PartitionFolder folder = FolderOf(PartitionOf(key));
  EBB_ASSIGN_OR_RETURN(FolderManifest manifest, folder.ReadVersion(key));
  auto blocks = ReadBlocks(folder, manifest, pool);
  // Its owner may have deleted it meanwhile.
  if (absl::IsDataLoss(blocks.status())) {
    EBB_RETURN_IF_ERROR(folder.ReadVersion(key).status());
  }
  EBB_RETURN_IF_ERROR(blocks.status());
  // What was one block when it was written is one again.
  std::map<std::string, CutArray> arrays;
  for (const auto& [name, stored] : manifest.version.arrays) {
    arrays[name] =
        ArrayOf(stored, [&](uint64_t number) { return blocks->at(number); });
  }
  Cut cut = CutOf(manifest.version);
  cut.arrays = std::move(arrays);
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  Own(PartitionOf(key)).known = ContentsOf(manifest, cut, /*check=*/false);
  return cut;
}

absl::Status FolderStore::Recognize(const VersionKey& key, const Cut& cut) {
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  EBB_ASSIGN_OR_RETURN(const FolderManifest manifest,
                       FolderOf(PartitionOf(key)).ReadVersion(key));
  Own(PartitionOf(key)).known = ContentsOf(manifest, cut, /*check=*/true);
  return absl::OkStatus();
}

// --- Changes -----------------------------------------------------------------

absl::Status FolderStore::SaveJob(const StoredJob& job) {
  if (job.record == nullptr) {
    return absl::InvalidArgumentError("a job without a record");
  }
  EBB_RETURN_IF_ERROR(CheckIdentity());
  const std::string path = JobPath(job.record->id);
  const std::string own = Below(path, ServerFolderName(options_.server));
  EBB_RETURN_IF_ERROR(MakeFolder(files_, options_.folder, path));
  EBB_RETURN_IF_ERROR(MakeFolder(files_, path, own));
  const std::string bytes = EncodeStoredJob(job);
  const absl::string_view parts[] = {bytes};
  EBB_RETURN_IF_ERROR(RemoveIfThere(files_, Below(own, kNewJobFile)));
  EBB_RETURN_IF_ERROR(files_->WriteNew(Below(own, kNewJobFile), parts));
  EBB_RETURN_IF_ERROR(
      files_->Rename(Below(own, kNewJobFile), Below(own, kJobFile)));
  return files_->SyncFolder(own);
}

absl::StatusOr<WriteResult> FolderStore::Write(const VersionKey& key,
                                               const Cut& cut) {
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  OwnPartition& own = Own(PartitionOf(key));
  const bool first = own.term.term != key.term;
  EBB_RETURN_IF_ERROR(first ? BeginTerm(key, &own) : RemoveUncertain(&own));
  if (own.versions.contains(VersionFileOf(key))) return AlreadyStored(key);
  EBB_RETURN_IF_ERROR(CheckNamedContents(key, cut, own.known));
  const uint64_t pack = own.next_pack++;
  const VersionDraft draft(key, cut, own.known, {key.term, pack},
                           /*tidy=*/!first);
  own.uncertain = {VersionFileOf(key), pack};
  if (absl::Status written = WriteFiles(key, draft, pack, own); !written.ok()) {
    return NotWritten(key.term, written, &own);
  }
  own.uncertain.reset();
  own.versions.insert(VersionFileOf(key));
  own.known = draft.Contents();
  own.named[key] = NamesOf(draft.manifest().packs);
  return draft.result();
}

absl::Status FolderStore::NotWritten(Term term, const absl::Status& why,
                                     OwnPartition* own) {
  if (!absl::IsNotFound(why)) {
    // Should it fail now, it is done before the next write.
    RemoveUncertain(own).IgnoreError();
    return why;
  }
  // Our folder is gone: we must not write in this term.
  own->term = {};
  EBB_RETURN_IF_ERROR(own->folder.CheckNewest(term));
  return absl::UnavailableError(why.message());
}

// From here on no other server changes this partition's folders.
absl::Status FolderStore::BeginTerm(const VersionKey& key, OwnPartition* own) {
  own->term = {};
  own->versions.clear();
  own->named.clear();
  // It was in an older term; if it is there, it is whole.
  own->uncertain.reset();
  own->next_pack = 1;
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_RETURN_IF_ERROR(MakeFolder(files_, options_.folder, JobPath(key.job)));
  EBB_RETURN_IF_ERROR(MakeFolder(files_, JobPath(key.job), own->folder.path()));
  EBB_RETURN_IF_ERROR(own->folder.Take(key.term, options_.server));
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedTerm> terms, own->folder.List());
  const TermFolder mine{key.term, options_.server, key.term};
  std::set<PackName> there;
  for (const ListedTerm& term : terms) {
    for (const uint64_t number : term.packs) {
      there.insert({term.folder.term, number});
    }
    if (term.folder != mine) continue;
    own->versions.insert(term.versions.begin(), term.versions.end());
    if (!term.packs.empty()) own->next_pack = *term.packs.rbegin() + 1;
  }
  // The owner before may have deleted what was known to be stored.
  absl::erase_if(own->known, [&](const auto& entry) {
    return !there.contains(entry.second.pack.name);
  });
  own->term = mine;
  return absl::OkStatus();
}

// The manifest gets its name last, when all that it names is durable.
absl::Status FolderStore::WriteFiles(const VersionKey& key,
                                     const VersionDraft& draft, uint64_t pack,
                                     const OwnPartition& own) {
  const std::string folder = own.folder.File(own.term, "");
  if (!draft.new_values().empty()) {
    EBB_RETURN_IF_ERROR(files_->WriteNew(
        own.folder.File(own.term, PackFile(pack)), draft.new_values()));
  }
  const std::string bytes = EncodeFolderManifest(draft.manifest());
  const absl::string_view parts[] = {bytes};
  const VersionFile version = VersionFileOf(key);
  const std::string unfinished = own.folder.File(own.term, version.NewName());
  EBB_RETURN_IF_ERROR(files_->WriteNew(unfinished, parts));
  EBB_RETURN_IF_ERROR(files_->SyncFolder(folder));
  EBB_RETURN_IF_ERROR(
      files_->Rename(unfinished, own.folder.File(own.term, version.Name())));
  return files_->SyncFolder(folder);
}

absl::Status FolderStore::RemoveUncertain(OwnPartition* own) {
  if (!own->uncertain.has_value()) return absl::OkStatus();
  const auto remove = [&](const std::string& name) {
    return RemoveIfThere(files_, own->folder.File(own->term, name));
  };
  const auto& [version, pack] = *own->uncertain;
  EBB_RETURN_IF_ERROR(remove(version.NewName()));
  EBB_RETURN_IF_ERROR(remove(version.Name()));
  // A version that comes back after all must be whole.
  EBB_RETURN_IF_ERROR(files_->SyncFolder(own->folder.File(own->term, "")));
  EBB_RETURN_IF_ERROR(remove(PackFile(pack)));
  own->uncertain.reset();
  return absl::OkStatus();
}

absl::Status FolderStore::Delete(std::span<const VersionKey> keys) {
  std::map<PartitionName, std::set<VersionKey>> by_partition;
  for (const VersionKey& key : keys) by_partition[PartitionOf(key)].insert(key);
  for (const auto& [partition, of_one] : by_partition) {
    EBB_RETURN_IF_ERROR(DeleteOf(partition, of_one));
  }
  return absl::OkStatus();
}

absl::Status FolderStore::DeleteOf(const PartitionName& partition,
                                   const std::set<VersionKey>& keys) {
  OwnPartition* const own = &Own(partition);
  if (own->term == TermFolder()) return absl::OkStatus();  // Not ours.
  EBB_RETURN_IF_ERROR(RemoveUncertain(own));
  EBB_ASSIGN_OR_RETURN(std::vector<ListedTerm> terms, own->folder.List());
  for (const ListedTerm& term : terms) {
    if (term.folder.owner > own->term.term)
      return absl::OkStatus();  // Neither.
  }
  for (ListedTerm& term : terms) {
    if (term.folder.owner != own->term.term) continue;
    std::vector<VersionFile> kept;
    for (const VersionFile& file : term.versions) {
      const VersionKey key = KeyOf(partition, term.folder, file);
      if (!keys.contains(key)) {
        kept.push_back(file);
        continue;
      }
      EBB_RETURN_IF_ERROR(
          RemoveIfThere(files_, own->folder.File(term.folder, file.Name())));
      if (term.folder == own->term) own->versions.erase(file);
      own->named.erase(key);
    }
    if (kept.size() == term.versions.size()) continue;
    // Before its values go: a version that comes back must be whole.
    EBB_RETURN_IF_ERROR(files_->SyncFolder(own->folder.File(term.folder, "")));
    term.versions = std::move(kept);
  }
  return DeletePacks(partition, terms, own);
}

// Deletes all packs that no version names, also those left by a crash: no other
// server writes here.
absl::Status FolderStore::DeletePacks(const PartitionName& partition,
                                      const std::vector<ListedTerm>& terms,
                                      OwnPartition* own) {
  std::set<PackName> needed;
  for (const ListedTerm& term : terms) {
    for (const VersionFile& file : term.versions) {
      const VersionKey key = KeyOf(partition, term.folder, file);
      auto named = own->named.find(key);
      if (named == own->named.end()) {
        const auto manifest = own->folder.ReadVersion(key);
        if (!manifest.ok()) {
          LOG(WARNING) << "no values are deleted beside a version that cannot "
                          "be read: "
                       << manifest.status().message();
          return absl::OkStatus();
        }
        named = own->named.emplace(key, NamesOf(manifest->packs)).first;
      }
      needed.insert(named->second.begin(), named->second.end());
    }
  }
  for (const ListedTerm& term : terms) {
    if (term.folder.owner != own->term.term) continue;
    size_t kept = term.versions.size();
    std::vector<std::string> gone = term.unfinished;
    for (const uint64_t number : term.packs) {
      if (needed.contains({term.folder.term, number})) {
        ++kept;
      } else {
        gone.push_back(PackFile(number));
      }
    }
    for (const std::string& name : gone) {
      EBB_RETURN_IF_ERROR(
          RemoveIfThere(files_, own->folder.File(term.folder, name)));
    }
    if (kept == 0 && term.folder != own->term) {
      EBB_RETURN_IF_ERROR(
          RemoveIfThere(files_, own->folder.File(term.folder, "")));
    }
  }
  absl::erase_if(own->known, [&](const auto& entry) {
    return !needed.contains(entry.second.pack.name);
  });
  return absl::OkStatus();
}

absl::Status FolderStore::DeleteJob(JobId job) {
  std::erase_if(own_,
                [job](const auto& entry) { return entry.first.first == job; });
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_RETURN_IF_ERROR(files_->RemoveTree(JobPath(job)));
  return files_->SyncFolder(options_.folder);
}

}  // namespace ebb::server

// The part of ObjectCheckpoints that changes no object.
#include <glog/logging.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/own_objects.h"
#include "server/store/manifest.h"
#include "server/store/object_checkpoints.h"

namespace ebb::server {

namespace {

// Takeovers while a partition is looked at; two in a row are rare already.
constexpr int kLooks = 10;
// The most values to read at once, and the largest gap between two blocks that
// are read together.
constexpr uint64_t kMostRead = uint64_t{32} << 20;
constexpr uint64_t kMostGap = uint64_t{1} << 20;

// The records of a partition that say which versions exist.
std::tuple<bool, Term, uint64_t, std::vector<std::string>> Decided(
    const ListedObjects& listed) {
  const Term term =
      listed.inherits.empty() ? Term() : *listed.inherits.rbegin();
  const auto kept = listed.kept.find(term);
  std::vector<std::string> old;
  for (const auto& [folder, files] : listed.old) old.push_back(folder);
  return {listed.claims.empty(), term,
          kept == listed.kept.end() ? 0 : *kept->second.rbegin(),
          std::move(old)};
}

// The blocks of a version, pack by pack and in their order there.
std::map<PackName, std::vector<StoredBlock>> BlocksByPack(
    const FolderManifest& manifest) {
  std::map<PackName, std::vector<StoredBlock>> packs;
  for (const StoredBlock& block : manifest.version.DistinctBlocks()) {
    const BlockPlace& place = manifest.places[block.number];
    packs[manifest.packs[place.pack].name].push_back(block);
  }
  for (auto& [name, blocks] : packs) {
    std::ranges::sort(blocks, {}, [&](const StoredBlock& block) {
      return manifest.places[block.number].offset;
    });
  }
  return packs;
}

}  // namespace

// --- What is stored ----------------------------------------------------------

absl::StatusOr<StoredJob> ObjectCheckpoints::ReadJob(JobId job,
                                                     ServerId server) const {
  const std::string key = JobRecordKey(job, server);
  EBB_ASSIGN_OR_RETURN(const ObjectContent content, objects_->Get(key, {}));
  auto stored = DecodeStoredJob(content.bytes);
  if (stored.ok()) return stored;
  return Prefixed(absl::StrCat(objects_->place(), key), stored.status());
}

JobRecordPtr ObjectCheckpoints::RecordOf(JobId job) const {
  const std::string prefix = JobPrefix(job);
  const auto folders = ListObjectFolders(objects_, prefix);
  if (!folders.ok()) return nullptr;
  for (absl::string_view folder : *folders) {
    absl::ConsumePrefix(&folder, prefix);
    absl::ConsumeSuffix(&folder, "/");
    const auto server = ParseServerFolder(folder);
    if (!server.has_value()) continue;
    if (const auto stored = ReadJob(job, *server); stored.ok()) {
      return stored->record;
    }
  }
  return nullptr;
}

std::map<VersionKey, RoundSpan> ObjectCheckpoints::RoundsOfVersions(
    const JobRecord& record, std::span<const VersionKey> versions) const {
  return RoundsOfManifests(record.plan, versions, [this](const auto& key) {
    return ReadManifest(key);
  });
}

absl::StatusOr<std::vector<JobId>> ObjectCheckpoints::JobIds() const {
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> folders,
                       ListObjectFolders(objects_, ""));
  std::vector<JobId> jobs;
  for (absl::string_view folder : folders) {
    absl::ConsumeSuffix(&folder, "/");
    if (const auto job = ParseJobFolder(folder)) jobs.push_back(*job);
  }
  std::ranges::sort(jobs);
  return jobs;
}

absl::Status ObjectCheckpoints::ListJob(JobId id, Inventory* inventory) const {
  const std::string prefix = JobPrefix(id);
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> folders,
                       ListObjectFolders(objects_, prefix));
  std::vector<VersionKey> versions;
  for (absl::string_view folder : folders) {
    absl::ConsumePrefix(&folder, prefix);
    absl::ConsumeSuffix(&folder, "/");
    const auto partition = ParsePartitionFolder(folder);
    if (!partition.has_value()) continue;
    const auto view = Look({id, *partition});
    if (absl::IsDataLoss(view.status())) {
      LOG(ERROR) << "event=record_damaged " << view.status().message();
      continue;
    }
    EBB_RETURN_IF_ERROR(view.status());
    for (const auto& [version, writer] : view->versions) {
      if (writer != options_.server) continue;
      versions.push_back(KeyOf({id, *partition}, version));
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

absl::StatusOr<Inventory> ObjectCheckpoints::List() {
  EBB_ASSIGN_OR_RETURN(const std::vector<JobId> jobs, JobIds());
  Inventory inventory;
  for (const JobId job : jobs) EBB_RETURN_IF_ERROR(ListJob(job, &inventory));
  std::ranges::sort(inventory.versions);
  return inventory;
}

absl::StatusOr<std::vector<StoredJob>> ObjectCheckpoints::JobsOfAll(
    std::vector<std::string>* problems) {
  EBB_ASSIGN_OR_RETURN(const std::vector<JobId> ids, JobIds());
  std::vector<StoredJob> jobs;
  for (const JobId id : ids) {
    const std::string prefix = JobPrefix(id);
    EBB_ASSIGN_OR_RETURN(const std::vector<std::string> folders,
                         ListObjectFolders(objects_, prefix));
    std::optional<StoredJob> newest;
    for (absl::string_view folder : folders) {
      absl::ConsumePrefix(&folder, prefix);
      absl::ConsumeSuffix(&folder, "/");
      const auto server = ParseServerFolder(folder);
      if (!server.has_value()) continue;
      auto job = ReadJob(id, *server);
      if (absl::IsNotFound(job.status())) continue;
      if (absl::IsDataLoss(job.status())) {
        problems->emplace_back(job.status().message());
        continue;
      }
      EBB_RETURN_IF_ERROR(job.status());
      if (!newest || newest->generation < job->generation) {
        newest = *std::move(job);
      }
    }
    if (newest) jobs.push_back(*std::move(newest));
  }
  return jobs;
}

absl::StatusOr<std::vector<ListedCopy>> ObjectCheckpoints::Summaries(
    JobId job) {
  EBB_RETURN_IF_ERROR(CheckIdentity());
  const std::string prefix = JobPrefix(job);
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> folders,
                       ListObjectFolders(objects_, prefix));
  std::vector<ListedCopy> all;
  for (absl::string_view folder : folders) {
    absl::ConsumePrefix(&folder, prefix);
    absl::ConsumeSuffix(&folder, "/");
    const auto partition = ParsePartitionFolder(folder);
    if (!partition.has_value()) continue;
    EBB_ASSIGN_OR_RETURN(const View view, Look({job, *partition}));
    for (const auto& [version, writer] : view.versions) {
      const VersionKey key = KeyOf({job, *partition}, version);
      const auto manifest = ReadManifest(key);
      // Its owner has deleted it meanwhile.
      if (absl::IsNotFound(manifest.status())) continue;
      if (!manifest.ok() && !absl::IsDataLoss(manifest.status())) {
        return manifest.status();
      }
      all.push_back(
          {manifest.ok() ? SummaryOf(*manifest) : VersionSummary{.key = key},
           writer});
    }
  }
  std::ranges::sort(all, {},
                    [](const ListedCopy& one) { return one.version.key; });
  return all;
}

absl::StatusOr<ListedObjects> ObjectCheckpoints::ListObjects(
    const PartitionName& partition) const {
  const std::string prefix = KeyIn(partition, "");
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedObject> objects,
                       ListAllObjects(objects_, prefix));
  ListedObjects listed = ParseListedObjects(prefix, objects);
  if (options_.old == nullptr) listed.old.clear();
  return listed;
}

// A list shows each change that is made meanwhile, or does not. So it may lack
// all versions if an owner replaces them meanwhile; but it is listed again
// after it, and then there are other records that decide.
absl::StatusOr<ObjectCheckpoints::View> ObjectCheckpoints::Look(
    const PartitionName& partition) const {
  std::optional<View> partial;
  EBB_ASSIGN_OR_RETURN(ListedObjects listed, ListObjects(partition));
  for (int look = 0; look < kLooks; ++look) {
    EBB_ASSIGN_OR_RETURN(std::optional<View> view, LookAt(partition, listed));
    EBB_ASSIGN_OR_RETURN(ListedObjects after, ListObjects(partition));
    if (view.has_value() && Decided(after) == Decided(listed)) {
      if (view->whole) return *std::move(view);
      partial = std::move(view);
    }
    listed = std::move(after);
  }
  // Some of its versions are lost for good.
  if (partial.has_value()) return *std::move(partial);
  // Or it is what is left of a job that was deleted: `inherits` is there before
  // all that its term writes.
  EBB_ASSIGN_OR_RETURN(const ListedObjects after, ListObjects(partition));
  if (listed.NewestWritten() != Term() && after.inherits.empty()) {
    View none;
    none.listed = after;
    return none;
  }
  return absl::UnavailableError(
      absl::StrCat(NameIn(partition, ""),
                   " was changed by others each time it was looked at; it is "
                   "tried again"));
}

// A term that is newer than the newest `inherits` seen has begun meanwhile.
absl::StatusOr<std::optional<ObjectCheckpoints::View>>
ObjectCheckpoints::LookAt(const PartitionName& partition,
                          const ListedObjects& listed) const {
  View view;
  view.listed = listed;
  if (!listed.inherits.empty()) view.term = *listed.inherits.rbegin();
  // These are remains of a job that was deleted.
  if (listed.claims.empty() && listed.inherits.empty() && listed.old.empty()) {
    return View();
  }
  if (listed.NewestWritten() > view.term) return std::nullopt;
  if (view.term == Term()) {
    FindOldVersions(&view);
    return view;
  }
  const std::string key = InheritsKey(view.term);
  const auto content = objects_->Get(KeyIn(partition, key), {});
  if (absl::IsNotFound(content.status())) return std::nullopt;
  EBB_RETURN_IF_ERROR(content.status());
  const auto inherits = DecodeInherits(content->bytes);
  if (!inherits.ok()) {
    return Prefixed(NameIn(partition, key), inherits.status());
  }
  std::optional<Kept> kept;
  if (const auto numbers = listed.kept.find(view.term);
      numbers != listed.kept.end()) {
    const std::string kept_key = KeptKey(view.term, *numbers->second.rbegin());
    const auto record = objects_->Get(KeyIn(partition, kept_key), {});
    if (absl::IsNotFound(record.status())) return std::nullopt;
    EBB_RETURN_IF_ERROR(record.status());
    auto decoded = DecodeKept(record->bytes);
    if (!decoded.ok()) {
      return Prefixed(NameIn(partition, kept_key), decoded.status());
    }
    kept = *std::move(decoded);
    view.newest_kept = kept->newest;
  }
  FindVersions(*inherits, kept, &view);
  return view;
}

void ObjectCheckpoints::FindVersions(const Inherits& inherits,
                                     const std::optional<Kept>& kept,
                                     View* view) {
  std::set<VersionInTerm> named;
  if (kept.has_value()) {
    named.insert(kept->versions.begin(), kept->versions.end());
  }
  const auto left_out = [&](const VersionInTerm& version) {
    const bool later = kept.has_value() && version.term == view->term &&
                       version.file > kept->newest;
    return kept.has_value() && !later && !named.contains(version);
  };
  for (const auto& [version, writer] : inherits.versions) {
    if (!left_out(version)) view->versions[version] = writer;
  }
  for (const VersionInTerm& version : named) {
    if (version.term == view->term) view->versions[version] = inherits.server;
  }
  std::erase_if(view->versions, [&](const auto& entry) {
    const auto term = view->listed.versions.find(entry.first.term);
    bool there = term != view->listed.versions.end() &&
                 term->second.contains(entry.first.file);
    for (const auto& [folder, old] : view->listed.old) {
      there = there || (old.folder.term == entry.first.term &&
                        old.versions.contains(entry.first.file));
    }
    view->whole = view->whole && there;
    return !there;
  });
  for (const auto& [term, files] : view->listed.versions) {
    if (term != view->term && !EBB_PLANTED(late_manifest_counts)) continue;
    for (const VersionFile& file : files) {
      if (left_out({term, file})) continue;
      view->versions.try_emplace({term, file}, inherits.server);
    }
  }
}

void ObjectCheckpoints::FindOldVersions(View* view) {
  for (const auto& [folder, old] : view->listed.old) {
    for (const VersionFile& file : old.versions) {
      view->versions[{old.folder.term, file}] = old.folder.server;
    }
  }
}

absl::StatusOr<ObjectContent> ObjectCheckpoints::GetOld(
    const PartitionName& partition, Term term, absl::string_view name,
    const GetOptions& options) const {
  const absl::Status none = absl::NotFoundError(absl::StrCat(
      NameIn(partition, ""), "t", term.value(), "-s*/", name, " is not there"));
  if (options_.old == nullptr) return none;
  std::vector<std::string> before;
  while (true) {
    EBB_ASSIGN_OR_RETURN(const ListedObjects listed, ListObjects(partition));
    std::vector<std::string> folders;
    for (const auto& [folder, old] : listed.old) {
      if (old.folder.term == term) folders.push_back(folder);
    }
    if (folders == before) return none;
    for (const std::string& folder : folders) {
      auto content = objects_->Get(
          KeyIn(partition, absl::StrCat(folder, "/", name)), options);
      if (!absl::IsNotFound(content.status())) return content;
    }
    before = std::move(folders);
  }
}

absl::StatusOr<PartitionInventory> ObjectCheckpoints::ListPartition(
    JobId job, PartitionId partition) {
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_ASSIGN_OR_RETURN(const View view, Look({job, partition}));
  PartitionInventory inventory;
  for (const auto& [version, writer] : view.versions) {
    inventory.versions.push_back(KeyOf({job, partition}, version));
  }
  std::ranges::sort(inventory.versions);
  if (!inventory.versions.empty()) {
    if (const JobRecordPtr record = RecordOf(job)) {
      inventory.rounds = RoundsOfVersions(*record, inventory.versions);
    }
  }
  return inventory;
}

absl::Status ObjectCheckpoints::CheckExists(const VersionKey& key) const {
  EBB_ASSIGN_OR_RETURN(const View view, Look(PartitionOf(key)));
  return view.versions.contains(InTermOf(key)) ? absl::OkStatus()
                                               : NotStored(key);
}

absl::StatusOr<FolderManifest> ObjectCheckpoints::ReadManifest(
    const VersionKey& key) const {
  const std::string name = VersionObjectKey(key.term, VersionFileOf(key));
  auto content = objects_->Get(KeyIn(PartitionOf(key), name), {});
  if (absl::IsNotFound(content.status())) {
    content = GetOld(PartitionOf(key), key.term, VersionFileOf(key).Name(), {});
  }
  if (absl::IsNotFound(content.status())) return NotStored(key);
  EBB_RETURN_IF_ERROR(content.status());
  auto manifest = DecodeFolderManifest(content->bytes);
  if (!manifest.ok()) {
    return Prefixed(NameIn(PartitionOf(key), name), manifest.status());
  }
  if (manifest->version.key != key) {
    return absl::DataLossError(
        absl::StrCat(NameIn(PartitionOf(key), name), ": it is of ",
                     VersionName(manifest->version.key)));
  }
  return manifest;
}

absl::StatusOr<std::string> ObjectCheckpoints::ReadValues(
    const PartitionName& partition, const PackName& pack, uint64_t offset,
    uint64_t bytes) const {
  std::string read;
  while (read.size() < bytes) {
    const uint64_t at = offset + read.size();
    const uint64_t in_piece = at % options_.piece_bytes;
    const std::string key = ValuesKey(pack, at / options_.piece_bytes);
    const uint64_t wanted =
        std::min(bytes - read.size(), options_.piece_bytes - in_piece);
    auto content = objects_->Get(KeyIn(partition, key),
                                 {.offset = in_piece, .bytes = wanted});
    bool enough = content.ok() && content->size >= in_piece + wanted;
    if (absl::IsNotFound(content.status())) {
      // An older ebb has not cut them.
      content = GetOld(partition, pack.term, PackFile(pack.number),
                       {.offset = at, .bytes = wanted});
      enough = content.ok() && content->size >= at + wanted;
    }
    const bool missing = absl::IsNotFound(content.status());
    if (missing || absl::IsOutOfRange(content.status()) ||
        (content.ok() && !enough)) {
      return absl::DataLossError(absl::StrCat(
          NameIn(partition, key),
          missing ? " is missing" : " ends before what is stored in it"));
    }
    EBB_RETURN_IF_ERROR(content.status());
    if (content->bytes.size() != wanted) {
      return absl::UnavailableError(
          absl::StrCat(NameIn(partition, key), ": the server sent ",
                       content->bytes.size(), " of ", wanted, " bytes"));
    }
    read += content->bytes;
  }
  return read;
}

// Reads and checks each block of the version once; blocks that lie near each
// other are read together.
absl::StatusOr<absl::flat_hash_map<uint64_t, BlockRef>>
ObjectCheckpoints::ReadBlocks(const PartitionName& partition,
                              const FolderManifest& manifest,
                              BlockPool* pool) const {
  absl::flat_hash_map<uint64_t, BlockRef> blocks;  // By number.
  for (const auto& [name, stored] : BlocksByPack(manifest)) {
    const auto begin_of = [&](const StoredBlock& block) {
      return manifest.places[block.number].offset;
    };
    for (size_t first = 0; first < stored.size();) {
      const uint64_t begin = begin_of(stored[first]);
      uint64_t end = begin;
      size_t next = first;
      while (next < stored.size() && begin_of(stored[next]) <= end + kMostGap) {
        const uint64_t here =
            begin_of(stored[next]) + SealedBlockBytes(stored[next].floats);
        if (next > first && here - begin > kMostRead) break;
        end = std::max(end, here);
        ++next;
      }
      EBB_ASSIGN_OR_RETURN(const std::string bytes,
                           ReadValues(partition, name, begin, end - begin));
      for (; first < next; ++first) {
        const StoredBlock& block = stored[first];
        const auto floats = UnsealBlock(
            block,
            absl::string_view(bytes).substr(begin_of(block) - begin,
                                            SealedBlockBytes(block.floats)));
        if (!floats.ok()) {
          return absl::DataLossError(absl::StrCat(
              NameIn(partition,
                     ValuesKey(name, begin_of(block) / options_.piece_bytes)),
              " is damaged: ", floats.status().message()));
        }
        EBB_ASSIGN_OR_RETURN(BlockRef loaded, pool->Allocate());
        EBB_RETURN_IF_ERROR(FillBlock(
            std::as_bytes(std::span(floats->data(), floats->size())), &loaded));
        blocks[block.number] = std::move(loaded);
      }
    }
  }
  return blocks;
}

absl::StatusOr<Cut> ObjectCheckpoints::Load(const VersionKey& key,
                                            BlockPool* pool) {
  auto cut = TryLoad(key, pool);
  if (absl::IsNotFound(cut.status()) || absl::IsDataLoss(cut.status())) {
    // A place that was emptied tells nothing about stored or damaged versions.
    EBB_RETURN_IF_ERROR(CheckIdentity());
  }
  return cut;
}

absl::StatusOr<Cut> ObjectCheckpoints::TryLoad(const VersionKey& key,
                                               BlockPool* pool) {
  EBB_RETURN_IF_ERROR(CheckExists(key));
  EBB_ASSIGN_OR_RETURN(const FolderManifest manifest, ReadManifest(key));
  auto blocks = ReadBlocks(PartitionOf(key), manifest, pool);
  // Its owner may have deleted it meanwhile.
  if (absl::IsDataLoss(blocks.status())) {
    EBB_RETURN_IF_ERROR(CheckExists(key));
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

absl::Status ObjectCheckpoints::Recognize(const VersionKey& key,
                                          const Cut& cut) {
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  EBB_RETURN_IF_ERROR(CheckExists(key));
  EBB_ASSIGN_OR_RETURN(const FolderManifest manifest, ReadManifest(key));
  Own(PartitionOf(key)).known = ContentsOf(manifest, cut, /*check=*/true);
  return absl::OkStatus();
}

}  // namespace ebb::server

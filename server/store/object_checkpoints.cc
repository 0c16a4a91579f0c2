#include "server/store/object_checkpoints.h"

#include <glog/logging.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "protocol/sealed.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/version_draft.h"
#include "server/store/manifest.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kIdentityMagic = "EBBI";
constexpr uint32_t kIdentityVersion = 1;
constexpr size_t kIdentityBytes = 16;
// Takeovers while a partition is looked at; two in a row are rare already.
constexpr int kLooks = 10;
// A record that an earlier request changes meanwhile.
constexpr int kPuts = 10;
// The most values to read at once, and the largest gap between two blocks that
// are read together.
constexpr uint64_t kMostRead = uint64_t{32} << 20;
constexpr uint64_t kMostGap = uint64_t{1} << 20;
// Older than any version.
constexpr VersionFile kNone = {Generation(0), -1};

std::string RandomBytes() {
  std::string bytes(kIdentityBytes, '\0');
  const ssize_t n = getrandom(bytes.data(), bytes.size(), 0);
  if (n != static_cast<ssize_t>(bytes.size())) std::abort();
  return bytes;
}

absl::StatusOr<std::string> ReadIdentity(ObjectStore* objects) {
  EBB_ASSIGN_OR_RETURN(const ObjectContent content,
                       objects->Get(kObjectIdentity, {}));
  const std::string name = absl::StrCat(objects->place(), kObjectIdentity);
  EBB_ASSIGN_OR_RETURN(
      const absl::string_view id,
      Unseal(kIdentityMagic, kIdentityVersion, name, content.bytes));
  return absl::BytesToHexString(id);
}

// One of all processes that try succeeds.
absl::StatusOr<std::string> MakeIdentity(ObjectStore* objects) {
  const auto made =
      CreateObject(objects, kObjectIdentity,
                   Seal(kIdentityMagic, kIdentityVersion, RandomBytes()));
  if (!absl::IsAlreadyExists(made.status())) {
    EBB_RETURN_IF_ERROR(made.status());
  }
  return ReadIdentity(objects);
}

absl::Status Prefixed(const std::string& name, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(name, ": ", status.message()));
}

VersionKey KeyOf(const PartitionName& partition, const VersionInTerm& version) {
  return {partition.first, version.file.generation, partition.second,
          version.term, version.file.sequence};
}

VersionInTerm InTermOf(const VersionKey& key) {
  return {key.term, VersionFileOf(key)};
}

absl::Status TakenOver(const std::string& name, Term term, Term newer) {
  return absl::FailedPreconditionError(
      absl::StrCat(name, " was taken over in term ", newer.value(),
                   ": nothing more of term ", term.value(), " is stored"));
}

// The records of a partition that say which versions exist.
std::tuple<bool, Term, uint64_t> Decided(const ListedObjects& listed) {
  const Term term =
      listed.inherits.empty() ? Term() : *listed.inherits.rbegin();
  const auto kept = listed.kept.find(term);
  return {listed.claims.empty(), term,
          kept == listed.kept.end() ? 0 : *kept->second.rbegin()};
}

std::vector<PackName> NamesOf(const std::vector<Pack>& packs) {
  std::vector<PackName> names;
  for (const Pack& pack : packs) names.push_back(pack.name);
  return names;
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

// Cuts parts into pieces of at most `bytes`.
std::vector<std::vector<absl::string_view>> CutIntoPieces(
    const std::vector<absl::string_view>& parts, uint64_t bytes) {
  std::vector<std::vector<absl::string_view>> pieces;
  uint64_t room = 0;
  for (absl::string_view part : parts) {
    while (!part.empty()) {
      if (room == 0) {
        pieces.emplace_back();
        room = bytes;
      }
      const absl::string_view here = part.substr(0, room);
      pieces.back().push_back(here);
      room -= here.size();
      part.remove_prefix(here.size());
    }
  }
  return pieces;
}

}  // namespace

// What this store knows of a partition in which it writes.
struct ObjectCheckpoints::OwnPartition {
  // What the newest cut written, loaded or recognised has.
  PlacedContents known;

  // The term in which this store writes; 0: none. The rest is about it.
  Term term;
  uint64_t next_pack = 1;
  uint64_t next_kept = 1;
  // Those that exist. No other server changes that while the term is newest.
  std::map<VersionInTerm, ServerId> versions;
  // The values that versions name: they never change.
  std::map<VersionInTerm, std::vector<PackName>> named;
  // Their write failed, and may still take effect.
  std::set<VersionFile> lost;
  // The newest version that this term has tried to write; and as the newest
  // `kept` has it.
  VersionFile newest_written = kNone;
  VersionFile newest_kept = kNone;
  // Versions are gone, or lost, that the newest `kept` does not leave out.
  bool kept_changed = false;
};

// --- Opening -----------------------------------------------------------------

absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> ObjectCheckpoints::Open(
    std::unique_ptr<ObjectStore> objects, ObjectCheckpointsOptions options) {
  EBB_ASSIGN_OR_RETURN(auto store, Open(objects.get(), options));
  store->owned_ = std::move(objects);
  return store;
}

absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> ObjectCheckpoints::Open(
    ObjectStore* objects, ObjectCheckpointsOptions options) {
  if (options.piece_bytes < 1 || options.piece_bytes > kMostObjectBytes) {
    return absl::InvalidArgumentError("objects cannot have this size");
  }
  if (options.probe) {
    EBB_RETURN_IF_ERROR(ProbeObjectStore(
        objects,
        absl::StrCat("probe/", absl::BytesToHexString(RandomBytes()), "-")));
  }
  auto id = ReadIdentity(objects);
  if (absl::IsNotFound(id.status())) id = MakeIdentity(objects);
  EBB_RETURN_IF_ERROR(id.status());
  return std::make_unique<ObjectCheckpoints>(objects, options, *std::move(id));
}

ObjectCheckpoints::ObjectCheckpoints(ObjectStore* objects,
                                     ObjectCheckpointsOptions options,
                                     std::string identity)
    : objects_(objects), options_(options), identity_(std::move(identity)) {}

ObjectCheckpoints::~ObjectCheckpoints() = default;

std::string ObjectCheckpoints::KeyIn(const PartitionName& partition,
                                     absl::string_view key) const {
  return absl::StrCat(PartitionPrefix(partition.first, partition.second), key);
}

std::string ObjectCheckpoints::NameIn(const PartitionName& partition,
                                      absl::string_view key) const {
  return absl::StrCat(objects_->place(), KeyIn(partition, key));
}

absl::Status ObjectCheckpoints::CheckIdentity() const {
  const auto id = ReadIdentity(objects_);
  if (id.ok() && *id == identity_) return absl::OkStatus();
  if (!id.ok() && !absl::IsNotFound(id.status())) return id.status();
  return absl::UnavailableError(
      absl::StrCat(objects_->place(),
                   " is not the place of shared checkpoints that it was: was "
                   "it emptied? It is tried again"));
}

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

absl::StatusOr<ListedObjects> ObjectCheckpoints::ListObjects(
    const PartitionName& partition) const {
  const std::string prefix = KeyIn(partition, "");
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedObject> objects,
                       ListAllObjects(objects_, prefix));
  return ParseListedObjects(prefix, objects);
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
  if (listed.NewestWritten() != Term() && after.inherits.empty()) return View();
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
  // What is left of a job that was deleted.
  if (listed.claims.empty() && listed.inherits.empty()) return View();
  if (listed.NewestWritten() > view.term) return std::nullopt;
  if (view.term == Term()) return view;
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
    const bool there = term != view->listed.versions.end() &&
                       term->second.contains(entry.first.file);
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
  const auto content = objects_->Get(KeyIn(PartitionOf(key), name), {});
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
    const auto content = objects_->Get(KeyIn(partition, key),
                                       {.offset = in_piece, .bytes = wanted});
    const bool missing = absl::IsNotFound(content.status());
    if (missing || absl::IsOutOfRange(content.status()) ||
        (content.ok() && content->size < in_piece + wanted)) {
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

// --- Terms -------------------------------------------------------------------

ObjectCheckpoints::OwnPartition& ObjectCheckpoints::Own(
    const PartitionName& partition) {
  std::unique_ptr<OwnPartition>& own = own_[partition];
  if (own == nullptr) own = std::make_unique<OwnPartition>();
  return *own;
}

absl::Status ObjectCheckpoints::CheckNewest(const PartitionName& partition,
                                            Term term) const {
  const std::string prefix = KeyIn(partition, "");
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedObject> objects,
                       ListAllObjects(objects_, prefix + "claims/"));
  const ListedObjects listed = ParseListedObjects(prefix, objects);
  if (listed.claims.empty() || *listed.claims.rbegin() <= term) {
    return absl::OkStatus();
  }
  return TakenOver(NameIn(partition, ""), term, *listed.claims.rbegin());
}

absl::Status ObjectCheckpoints::Claim(const PartitionName& partition,
                                      Term term) {
  const std::string key = ClaimKey(term);
  const auto created = CreateObject(objects_, KeyIn(partition, key),
                                    EncodeClaim(options_.server));
  if (!absl::IsAlreadyExists(created.status())) return created.status();
  return absl::FailedPreconditionError(absl::StrCat(
      NameIn(partition, key), ": another server has claimed this term"));
}

absl::StatusOr<Inherits> ObjectCheckpoints::Inherit(
    const PartitionName& partition, Term term, const View& view) {
  Inherits inherits{.server = options_.server};
  for (const auto& [version, writer] : view.versions) {
    inherits.versions.push_back({version, writer});
  }
  const std::string key = InheritsKey(term);
  const auto created =
      CreateObject(objects_, KeyIn(partition, key), EncodeInherits(inherits));
  if (!absl::IsAlreadyExists(created.status())) {
    EBB_RETURN_IF_ERROR(created.status());
    return inherits;
  }
  // An earlier process of this server wrote it down, or an earlier try.
  EBB_ASSIGN_OR_RETURN(const ObjectContent content,
                       objects_->Get(KeyIn(partition, key), {}));
  auto before = DecodeInherits(content.bytes);
  if (!before.ok()) return Prefixed(NameIn(partition, key), before.status());
  return before;
}

// From here on no other server changes what this partition's versions are.
absl::Status ObjectCheckpoints::BeginTerm(const PartitionName& partition,
                                          Term term, OwnPartition* own) {
  *own = OwnPartition{.known = std::move(own->known)};
  EBB_RETURN_IF_ERROR(CheckIdentity());
  const bool late = EBB_PLANTED(claim_after_the_read);
  if (!late) EBB_RETURN_IF_ERROR(Claim(partition, term));
  EBB_RETURN_IF_ERROR(CheckNewest(partition, term));
  EBB_ASSIGN_OR_RETURN(View view, Look(partition));
  if (late) EBB_RETURN_IF_ERROR(Claim(partition, term));
  if (view.term > term) {
    return TakenOver(NameIn(partition, ""), term, view.term);
  }
  if (EBB_PLANTED(inherits_all_there_are)) {
    for (const auto& [older, files] : view.listed.versions) {
      for (const VersionFile& file : files) {
        view.versions.try_emplace({older, file}, options_.server);
      }
    }
  }
  if (view.term < term) {
    EBB_ASSIGN_OR_RETURN(const Inherits inherits,
                         Inherit(partition, term, view));
    view.versions.clear();
    for (const auto& [version, writer] : inherits.versions) {
      view.versions[version] = writer;
    }
  }
  EBB_RETURN_IF_ERROR(CheckNewest(partition, term));
  // An earlier process of this server may have begun the term.
  const auto kept = view.listed.kept.find(term);
  if (kept != view.listed.kept.end()) {
    own->next_kept = *kept->second.rbegin() + 1;
    own->newest_kept = own->newest_written = view.newest_kept.value_or(kNone);
  }
  for (const auto& [pack, pieces] : view.listed.pieces) {
    if (pack.term == term) own->next_pack = pack.number + 1;
  }
  own->versions = std::move(view.versions);
  for (const auto& [version, writer] : own->versions) {
    if (version.term != term) continue;
    own->newest_written = std::max(own->newest_written, version.file);
  }
  // Only what a version needs stays where it is.
  std::set<PackName> needed;
  for (const auto& [version, writer] : own->versions) {
    const auto manifest = ReadManifest(KeyOf(partition, version));
    if (absl::IsDataLoss(manifest.status())) continue;
    EBB_RETURN_IF_ERROR(manifest.status());
    own->named[version] = NamesOf(manifest->packs);
    needed.insert(own->named[version].begin(), own->named[version].end());
  }
  absl::erase_if(own->known, [&](const auto& entry) {
    return !needed.contains(entry.second.pack.name);
  });
  own->term = term;
  return absl::OkStatus();
}

// --- Changes -----------------------------------------------------------------

// An earlier put whose outcome is not known may take effect at any time. With
// the condition it then fails, so that it does not undo this one.
absl::Status ObjectCheckpoints::SaveJob(const StoredJob& job) {
  if (job.record == nullptr) {
    return absl::InvalidArgumentError("a job without a record");
  }
  EBB_RETURN_IF_ERROR(CheckIdentity());
  const std::string key = JobRecordKey(job.record->id, options_.server);
  const std::string bytes = EncodeStoredJob(job);
  for (int put = 0; put < kPuts; ++put) {
    const auto before = objects_->Get(key, {.bytes = 1});
    const bool first = absl::IsNotFound(before.status());
    if (!first) EBB_RETURN_IF_ERROR(before.status());
    const absl::Status saved =
        PutObject(objects_, key, bytes,
                  first ? PutOptions{.create_only = true}
                        : PutOptions{.if_match = before->etag})
            .status();
    if (!absl::IsAborted(saved) && !absl::IsAlreadyExists(saved)) return saved;
  }
  return absl::UnavailableError(
      absl::StrCat(objects_->place(), key,
                   " was changed by others each time it was to be replaced; it "
                   "is tried again"));
}

absl::Status ObjectCheckpoints::WriteValues(const PartitionName& partition,
                                            const VersionDraft& draft,
                                            const PackName& pack) {
  const auto pieces = CutIntoPieces(draft.new_values(), options_.piece_bytes);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string key = ValuesKey(pack, i);
    const auto created =
        objects_->Put(KeyIn(partition, key), pieces[i], {.create_only = true});
    if (absl::IsAlreadyExists(created.status())) {
      return absl::FailedPreconditionError(
          absl::StrCat(NameIn(partition, key),
                       " is there already: another process writes in term ",
                       pack.term.value()));
    }
    EBB_RETURN_IF_ERROR(created.status());
  }
  return absl::OkStatus();
}

absl::StatusOr<WriteResult> ObjectCheckpoints::Write(const VersionKey& key,
                                                     const Cut& cut) {
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  const PartitionName partition = PartitionOf(key);
  const VersionInTerm version = InTermOf(key);
  OwnPartition& own = Own(partition);
  const bool first = own.term != key.term;
  if (first) EBB_RETURN_IF_ERROR(BeginTerm(partition, key.term, &own));
  if (own.versions.contains(version) || own.lost.contains(version.file)) {
    return AlreadyStored(key);
  }
  if (version.file <= own.newest_kept) {
    return absl::InvalidArgumentError(absl::StrCat(
        "checkpoint ", VersionName(key), " is older than one of this term"));
  }
  EBB_RETURN_IF_ERROR(CheckNamedContents(key, cut, own.known));
  const PackName pack = {key.term, own.next_pack++};
  const VersionDraft draft(key, cut, own.known, pack, /*tidy=*/!first);
  const bool values_last = EBB_PLANTED(manifest_before_its_values);
  if (!values_last) EBB_RETURN_IF_ERROR(WriteValues(partition, draft, pack));
  // Until the last step says otherwise.
  own.lost.insert(version.file);
  own.newest_written = std::max(own.newest_written, version.file);
  own.kept_changed = true;
  const auto created = CreateObject(
      objects_, KeyIn(partition, VersionObjectKey(key.term, version.file)),
      EncodeFolderManifest(draft.manifest()));
  if (absl::IsAlreadyExists(created.status())) {
    own.lost.erase(version.file);
    return AlreadyStored(key);
  }
  EBB_RETURN_IF_ERROR(created.status());
  if (values_last) EBB_RETURN_IF_ERROR(WriteValues(partition, draft, pack));
  if (const absl::Status newest = CheckNewest(partition, key.term);
      !newest.ok()) {
    if (absl::IsFailedPrecondition(newest)) own.term = Term();
    return newest;
  }
  own.lost.erase(version.file);
  own.versions[version] = options_.server;
  own.known = draft.Contents();
  own.named[version] = NamesOf(draft.manifest().packs);
  return draft.result();
}

absl::Status ObjectCheckpoints::Delete(std::span<const VersionKey> keys) {
  std::map<PartitionName, std::set<VersionKey>> by_partition;
  for (const VersionKey& key : keys) by_partition[PartitionOf(key)].insert(key);
  for (const auto& [partition, of_one] : by_partition) {
    EBB_RETURN_IF_ERROR(DeleteOf(partition, of_one));
  }
  return absl::OkStatus();
}

absl::Status ObjectCheckpoints::RecordKept(const PartitionName& partition,
                                           OwnPartition* own) {
  if (!own->kept_changed) return absl::OkStatus();
  Kept kept;
  kept.newest = own->newest_written;
  for (const auto& [version, writer] : own->versions) {
    kept.versions.push_back(version);
  }
  const std::string key = KeptKey(own->term, own->next_kept++);
  const auto created =
      CreateObject(objects_, KeyIn(partition, key), EncodeKept(kept));
  if (absl::IsAlreadyExists(created.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(NameIn(partition, key),
                     " is there already: another process writes in "
                     "term ",
                     own->term.value()));
  }
  EBB_RETURN_IF_ERROR(created.status());
  own->newest_kept = kept.newest;
  own->kept_changed = false;
  own->lost.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::set<PackName>>>
ObjectCheckpoints::NeededPacks(const PartitionName& partition,
                               OwnPartition* own) const {
  std::set<PackName> needed;
  for (const auto& [version, writer] : own->versions) {
    auto named = own->named.find(version);
    if (named == own->named.end()) {
      const auto manifest = ReadManifest(KeyOf(partition, version));
      if (absl::IsDataLoss(manifest.status())) {
        LOG(WARNING) << "no values are deleted beside a version that cannot be "
                        "read: "
                     << manifest.status().message();
        return std::nullopt;
      }
      EBB_RETURN_IF_ERROR(manifest.status());
      named = own->named.emplace(version, NamesOf(manifest->packs)).first;
    }
    needed.insert(named->second.begin(), named->second.end());
  }
  return needed;
}

absl::Status ObjectCheckpoints::DeleteOf(const PartitionName& partition,
                                         const std::set<VersionKey>& keys) {
  OwnPartition* const own = &Own(partition);
  if (own->term == Term()) return absl::OkStatus();  // Not ours.
  for (const VersionKey& key : keys) {
    const VersionInTerm version = InTermOf(key);
    if (own->versions.erase(version) == 0) continue;
    own->named.erase(version);
    own->kept_changed = true;
  }
  EBB_RETURN_IF_ERROR(RecordKept(partition, own));
  EBB_ASSIGN_OR_RETURN(const std::optional<std::set<PackName>> needed,
                       NeededPacks(partition, own));
  if (needed.has_value()) {
    absl::erase_if(own->known, [&](const auto& entry) {
      return !needed->contains(entry.second.pack.name);
    });
  }
  // The claims are listed after `kept` was written.
  EBB_ASSIGN_OR_RETURN(const ListedObjects listed, ListObjects(partition));
  const bool newest =
      listed.claims.empty() || *listed.claims.rbegin() <= own->term;
  if (!newest && !EBB_PLANTED(deletes_unchecked)) {
    own->term = Term();  // Neither ours.
    return absl::OkStatus();
  }
  const auto remove = [&](const std::string& key) {
    return objects_->Delete(KeyIn(partition, key));
  };
  // What is written in newer terms is never ours.
  for (const auto& [term, files] : listed.versions) {
    for (const VersionFile& file : files) {
      const VersionInTerm version = {term, file};
      if (term > own->term || own->versions.contains(version)) continue;
      EBB_RETURN_IF_ERROR(remove(VersionObjectKey(term, file)));
    }
  }
  for (const auto& [pack, pieces] : listed.pieces) {
    if (pack.term > own->term || !needed.has_value() ||
        needed->contains(pack)) {
      continue;
    }
    for (const uint64_t piece : pieces) {
      EBB_RETURN_IF_ERROR(remove(ValuesKey(pack, piece)));
    }
  }
  for (const auto& [term, numbers] : listed.kept) {
    for (const uint64_t number : numbers) {
      const bool last = term == own->term && number == *numbers.rbegin();
      if (term > own->term || last) continue;
      EBB_RETURN_IF_ERROR(remove(KeptKey(term, number)));
    }
  }
  for (const Term term : listed.inherits) {
    if (term < own->term) EBB_RETURN_IF_ERROR(remove(InheritsKey(term)));
  }
  for (const Term term : listed.claims) {
    if (term < own->term) EBB_RETURN_IF_ERROR(remove(ClaimKey(term)));
  }
  return absl::OkStatus();
}

absl::Status ObjectCheckpoints::DeleteJob(JobId job) {
  std::erase_if(own_,
                [job](const auto& entry) { return entry.first.first == job; });
  EBB_RETURN_IF_ERROR(CheckIdentity());
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedObject> objects,
                       ListAllObjects(objects_, JobPrefix(job)));
  // Values and versions first, and what says that they exist last.
  for (auto object = objects.rbegin(); object != objects.rend(); ++object) {
    EBB_RETURN_IF_ERROR(objects_->Delete(object->key));
  }
  return absl::OkStatus();
}

}  // namespace ebb::server

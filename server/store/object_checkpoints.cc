#include "server/store/object_checkpoints.h"

#include <glog/logging.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "protocol/sealed.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/old_folder.h"
#include "server/store/internal/own_objects.h"
#include "server/store/internal/version_draft.h"
#include "server/store/manifest.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kIdentityMagic = "EBBI";
constexpr uint32_t kIdentityVersion = 1;
constexpr size_t kIdentityBytes = 16;
// A record that an earlier request changes meanwhile.
constexpr int kPuts = 10;

std::string RandomBytes() {
  std::string bytes(kIdentityBytes, '\0');
  const ssize_t n = getrandom(bytes.data(), bytes.size(), 0);
  if (n != static_cast<ssize_t>(bytes.size())) std::abort();
  return bytes;
}

absl::StatusOr<std::string> ReadIdentity(ObjectStore* objects, bool old) {
  // A server may just be moving that of an older ebb, from key to key. Once it
  // is moved, one at the first key is a second one, which names nothing.
  std::vector<absl::string_view> keys = {kObjectIdentity};
  if (old) {
    keys = {kRetiredIdentity, kOldIdentity, kRetiredIdentity, kObjectIdentity};
  }
  absl::StatusOr<ObjectContent> content;
  absl::string_view key;
  for (size_t i = 0; i < keys.size(); ++i) {
    key = keys[i];
    content = objects->Get(key, {});
    if (!absl::IsNotFound(content.status())) break;
  }
  EBB_RETURN_IF_ERROR(content.status());
  const std::string name = absl::StrCat(objects->place(), key);
  EBB_ASSIGN_OR_RETURN(
      const absl::string_view id,
      Unseal(kIdentityMagic, kIdentityVersion, name, content->bytes));
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
  return ReadIdentity(objects, /*old=*/false);
}

absl::Status TakenOver(const std::string& name, Term term, Term newer) {
  return absl::FailedPreconditionError(
      absl::StrCat(name, " was taken over in term ", newer.value(),
                   ": nothing more of term ", term.value(), " is stored"));
}

std::vector<PackName> NamesOf(const std::vector<Pack>& packs) {
  std::vector<PackName> names;
  for (const Pack& pack : packs) names.push_back(pack.name);
  return names;
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

// --- Opening -----------------------------------------------------------------

absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> ObjectCheckpoints::Open(
    std::unique_ptr<ObjectStore> objects, ObjectCheckpointsOptions options) {
  EBB_ASSIGN_OR_RETURN(auto store, Open(objects.get(), std::move(options)));
  store->owned_ = std::move(objects);
  return store;
}

absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> ObjectCheckpoints::Open(
    ObjectStore* objects, ObjectCheckpointsOptions options) {
  if (options.piece_bytes < 1 || options.piece_bytes > kMostObjectBytes) {
    return absl::InvalidArgumentError("objects cannot have this size");
  }
  if (options.probe) {
    EBB_RETURN_IF_ERROR(Probe(objects, options.in_folder));
  }
  auto id = ReadIdentity(objects, options.old != nullptr);
  if (absl::IsNotFound(id.status())) {
    if (!options.create) {
      return absl::NotFoundError(absl::StrCat(
          objects->place(), " holds no checkpoint: no server has used it"));
    }
    id = MakeIdentity(objects);
  }
  EBB_RETURN_IF_ERROR(id.status());
  return std::make_unique<ObjectCheckpoints>(objects, std::move(options),
                                             *std::move(id));
}

// In a folder the key needs no folder of its own, which a failure would leave.
absl::Status ObjectCheckpoints::Probe(ObjectStore* objects, bool in_folder) {
  return ProbeObjectStore(
      objects, absl::StrCat(in_folder ? "probe-" : "probe/",
                            absl::BytesToHexString(RandomBytes()), "-"));
}

ObjectCheckpoints::ObjectCheckpoints(ObjectStore* objects,
                                     ObjectCheckpointsOptions options,
                                     std::string identity)
    : objects_(objects),
      options_(std::move(options)),
      identity_(std::move(identity)) {}

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
  const auto id = ReadIdentity(objects_, options_.old != nullptr);
  if (id.ok() && *id == identity_) return absl::OkStatus();
  if (!id.ok() && !absl::IsNotFound(id.status())) return id.status();
  return absl::UnavailableError(
      absl::StrCat(objects_->place(),
                   " is not the place of shared checkpoints that it was: was "
                   "it emptied? It is tried again"));
}

absl::Status ObjectCheckpoints::CheckMounted() const {
  return options_.in_folder ? CheckIdentity() : absl::OkStatus();
}

// --- Terms -------------------------------------------------------------------

ObjectCheckpoints::OwnPartition& ObjectCheckpoints::Own(
    const PartitionName& partition) {
  std::unique_ptr<OwnPartition>& own = own_[partition];
  if (own == nullptr) own = std::make_unique<OwnPartition>();
  return *own;
}

absl::Status ObjectCheckpoints::CheckNewest(const PartitionName& partition,
                                            Term term, bool claimed) const {
  const std::string prefix = KeyIn(partition, "");
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedObject> objects,
                       ListAllObjects(objects_, prefix + "claims/"));
  const ListedObjects listed = ParseListedObjects(prefix, objects);
  const Term newest = listed.claims.empty() ? Term() : *listed.claims.rbegin();
  if (newest == term || (newest < term && !claimed)) return absl::OkStatus();
  if (newest < term) {
    return absl::NotFoundError(
        absl::StrCat(NameIn(partition, ClaimKey(term)),
                     " is gone: was the job forgotten, or the place emptied?"));
  }
  return TakenOver(NameIn(partition, ""), term, newest);
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

absl::Status ObjectCheckpoints::CreateKept(const PartitionName& partition,
                                           Term term, uint64_t number,
                                           const Kept& kept) {
  const std::string key = KeptKey(term, number);
  const auto created =
      CreateObject(objects_, KeyIn(partition, key), EncodeKept(kept));
  if (!absl::IsAlreadyExists(created.status())) return created.status();
  return absl::FailedPreconditionError(absl::StrCat(
      NameIn(partition, key),
      " is there already: another process writes in term ", term.value()));
}

// A write of this term came to the partition while it was deleted, with its
// claim. Otherwise `inherits` would make a version of what is left.
absl::Status ObjectCheckpoints::LeaveOutRemains(const PartitionName& partition,
                                                Term term, View* view) {
  const auto remains = view->listed.versions.find(term);
  const bool any = remains != view->listed.versions.end();
  if (!any && !view->listed.kept.contains(term)) return absl::OkStatus();
  std::set<uint64_t>& numbers = view->listed.kept[term];
  const uint64_t number = numbers.empty() ? 1 : *numbers.rbegin() + 1;
  const Kept kept = {.newest = any ? *remains->second.rbegin() : kNone,
                     .versions = {}};
  EBB_RETURN_IF_ERROR(CreateKept(partition, term, number, kept));
  numbers.insert(number);
  view->newest_kept = kept.newest;
  return absl::OkStatus();
}

// From here on no other server changes what this partition's versions are.
absl::Status ObjectCheckpoints::BeginTerm(const PartitionName& partition,
                                          Term term, OwnPartition* own) {
  *own = OwnPartition{.known = std::move(own->known)};
  EBB_RETURN_IF_ERROR(CheckIdentity());
  const bool late = EBB_PLANTED(claim_after_the_read);
  if (!late) EBB_RETURN_IF_ERROR(Claim(partition, term));
  EBB_RETURN_IF_ERROR(CheckNewest(partition, term, /*claimed=*/false));
  // From here on no older server changes what there is to go on from.
  if (options_.old != nullptr) {
    EBB_RETURN_IF_ERROR(
        options_.old->Take(partition.first, partition.second, term));
  }
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
    EBB_RETURN_IF_ERROR(LeaveOutRemains(partition, term, &view));
    EBB_ASSIGN_OR_RETURN(const Inherits inherits,
                         Inherit(partition, term, view));
    view.versions.clear();
    for (const auto& [version, writer] : inherits.versions) {
      view.versions[version] = writer;
    }
  }
  EBB_RETURN_IF_ERROR(CheckNewest(partition, term, /*claimed=*/false));
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
    absl::Status saved = PutObject(objects_, key, bytes,
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
  EBB_RETURN_IF_ERROR(first ? BeginTerm(partition, key.term, &own)
                            : CheckMounted());
  if (own.versions.contains(version) || own.lost.contains(version.file)) {
    return AlreadyStored(key);
  }
  if (options_.in_folder && !own.lost.empty()) {
    EBB_RETURN_IF_ERROR(RecordKept(partition, &own));
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
  if (const absl::Status newest =
          CheckNewest(partition, key.term, options_.in_folder);
      !newest.ok()) {
    // The next write begins the term anew, or finds that it is not ours.
    const bool gone = absl::IsNotFound(newest);
    if (gone || absl::IsFailedPrecondition(newest)) own.term = Term();
    return gone ? absl::UnavailableError(newest.message()) : newest;
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
  EBB_RETURN_IF_ERROR(CreateKept(partition, own->term, own->next_kept++, kept));
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
  EBB_RETURN_IF_ERROR(CheckMounted());
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
  EBB_RETURN_IF_ERROR(DeleteRest(partition, listed, needed, *own));
  return DeleteOld(partition, listed, needed, *own);
}

absl::Status ObjectCheckpoints::DeleteRest(
    const PartitionName& partition, const ListedObjects& listed,
    const std::optional<std::set<PackName>>& needed, const OwnPartition& own) {
  const auto remove = [&](const std::string& key) {
    return objects_->Delete(KeyIn(partition, key));
  };
  // What is written in newer terms is never ours.
  for (const auto& [term, files] : listed.versions) {
    for (const VersionFile& file : files) {
      const VersionInTerm version = {term, file};
      if (term > own.term || own.versions.contains(version)) continue;
      EBB_RETURN_IF_ERROR(remove(VersionObjectKey(term, file)));
    }
  }
  for (const auto& [pack, pieces] : listed.pieces) {
    if (pack.term > own.term || !needed.has_value() || needed->contains(pack)) {
      continue;
    }
    for (const uint64_t piece : pieces) {
      EBB_RETURN_IF_ERROR(remove(ValuesKey(pack, piece)));
    }
  }
  for (const auto& [term, numbers] : listed.kept) {
    for (const uint64_t number : numbers) {
      const bool last = term == own.term && number == *numbers.rbegin();
      if (term > own.term || last) continue;
      EBB_RETURN_IF_ERROR(remove(KeptKey(term, number)));
    }
  }
  for (const Term term : listed.inherits) {
    if (term < own.term) EBB_RETURN_IF_ERROR(remove(InheritsKey(term)));
  }
  for (const Term term : listed.claims) {
    if (term < own.term) EBB_RETURN_IF_ERROR(remove(ClaimKey(term)));
  }
  return absl::OkStatus();
}

absl::Status ObjectCheckpoints::DeleteOld(
    const PartitionName& partition, const ListedObjects& listed,
    const std::optional<std::set<PackName>>& needed, const OwnPartition& own) {
  for (const auto& [folder, old] : listed.old) {
    const Term term = old.folder.term;
    if (term > own.term) continue;
    std::vector<std::string> gone = old.unfinished;
    for (const VersionFile& file : old.versions) {
      if (!own.versions.contains({term, file})) gone.push_back(file.Name());
    }
    for (const uint64_t number : old.packs) {
      if (needed.has_value() && !needed->contains({term, number})) {
        gone.push_back(PackFile(number));
      }
    }
    for (const std::string& name : gone) {
      EBB_RETURN_IF_ERROR(
          objects_->Delete(KeyIn(partition, absl::StrCat(folder, "/", name))));
    }
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

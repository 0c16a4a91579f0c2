#include "sim/bucket.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "sim/world.h"

namespace ebb::sim {

using server::Inherits;
using server::Kept;
using server::ListedObjects;
using server::VersionInTerm;

namespace {

// A request that was given up may take effect so much later.
constexpr absl::Duration kLatest = absl::Seconds(3);

std::string Text(const VersionInTerm& version) {
  return server::VersionObjectKey(version.term, version.file);
}

}  // namespace

// --- What is there -----------------------------------------------------------

Bucket::Contents* Bucket::ContentsOf(absl::string_view key,
                                     Partition* partition,
                                     ListedObjects* object) {
  const size_t job_end = key.find('/');
  if (job_end == absl::string_view::npos) return nullptr;
  const size_t end = key.find('/', job_end + 1);
  if (end == absl::string_view::npos) return nullptr;
  const auto job = server::ParseJobFolder(key.substr(0, job_end));
  const auto number =
      server::ParsePartitionFolder(key.substr(job_end + 1, end - job_end - 1));
  if (!job.has_value() || !number.has_value() || deleted_.contains(*job)) {
    return nullptr;
  }
  *partition = {*job, *number};
  const ListedObject listed{std::string(key), 0};
  *object =
      server::ParseListedObjects(key.substr(0, end + 1), std::span(&listed, 1));
  return &partitions_[*partition];
}

std::set<VersionInTerm> Bucket::Existing(const Contents& contents) {
  const ListedObjects& there = contents.there;
  if (there.inherits.empty()) return {};
  const Term newest = *there.inherits.rbegin();
  std::set<VersionInTerm> versions = contents.inherits.at(newest);
  if (const auto own = there.versions.find(newest);
      own != there.versions.end()) {
    for (const server::VersionFile& file : own->second) {
      versions.insert({newest, file});
    }
  }
  const auto numbers = there.kept.find(newest);
  if (numbers == there.kept.end() || numbers->second.empty()) return versions;
  const Kept& kept = contents.kept.at({newest, *numbers->second.rbegin()});
  std::erase_if(versions, [&](const VersionInTerm& version) {
    const bool later = version.term == newest && version.file > kept.newest;
    return !later && std::ranges::count(kept.versions, version) == 0;
  });
  return versions;
}

std::vector<VersionKey> Bucket::Versions() const {
  std::vector<VersionKey> keys;
  for (const auto& [partition, contents] : partitions_) {
    for (const VersionInTerm& version : Existing(contents)) {
      keys.push_back({partition.first, version.file.generation,
                      partition.second, version.term, version.file.sequence});
    }
  }
  std::ranges::sort(keys);
  return keys;
}

bool Bucket::Whole(const Contents& contents, const VersionInTerm& version) {
  const auto files = contents.there.versions.find(version.term);
  if (files == contents.there.versions.end() ||
      !files->second.contains(version.file)) {
    return false;
  }
  return std::ranges::all_of(
      contents.packs.at(version), [&](const server::Pack& pack) {
        const auto pieces = contents.there.pieces.find(pack.name);
        return pieces != contents.there.pieces.end() &&
               pieces->second.size() ==
                   (pack.bytes + kPieceBytes - 1) / kPieceBytes;
      });
}

// --- S11 ---------------------------------------------------------------------

void Bucket::Violate(absl::string_view key, absl::string_view what) {
  world_->Violate(absl::StrCat("S11: ", key, " ", what));
}

void Bucket::Stored(const VersionKey& key) {
  if (deleted_.contains(key.job)) return;
  Contents& contents = partitions_[{key.job, key.partition}];
  const VersionInTerm version = {key.term, server::VersionFileOf(key)};
  const auto heir = contents.inherits.upper_bound(key.term);
  if (heir == contents.inherits.end()) {
    contents.stored.insert(version);
  } else if (!heir->second.contains(version)) {
    Violate(Text(version),
            absl::StrCat("was said to be stored, and term ",
                         heir->first.value(), " does not inherit it"));
  }
}

void Bucket::NoteInherits(const std::string& key, Term term,
                          const std::string& bytes, Contents* contents) {
  if (contents->inherits.contains(term)) return;  // It was there before.
  const auto inherits = server::DecodeInherits(bytes);
  if (!inherits.ok()) return Violate(key, inherits.status().message());
  std::set<VersionInTerm>& versions = contents->inherits[term];
  for (const auto& [version, writer] : inherits->versions) {
    versions.insert(version);
  }
  // An owner that was late: a newer term has begun, and decides.
  if (*contents->there.inherits.rbegin() != term) return;
  for (const VersionInTerm& version : versions) {
    if (!contents->existed.contains(version)) {
      Violate(key, absl::StrCat("names ", Text(version),
                                ", which has never existed"));
    } else if (!Whole(*contents, version)) {
      Violate(key,
              absl::StrCat("names ", Text(version), ", which is not whole"));
    }
  }
  for (const VersionInTerm& version : contents->stored) {
    if (version.term < term && !versions.contains(version)) {
      Violate(key, absl::StrCat("does not name ", Text(version),
                                ", which was said to be stored"));
    }
  }
}

void Bucket::NoteKept(Term term, uint64_t number, const std::string& bytes,
                      Contents* contents) {
  const auto kept = server::DecodeKept(bytes);
  if (!kept.ok()) return;
  contents->kept[{term, number}] = *kept;
  std::erase_if(contents->stored, [&](const VersionInTerm& version) {
    const bool decides = version.term < term ||
                         (version.term == term && version.file <= kept->newest);
    return decides && std::ranges::count(kept->versions, version) == 0;
  });
}

void Bucket::Added(const std::string& key, const std::string& bytes) {
  Partition partition;
  ListedObjects object;
  Contents* const contents = ContentsOf(key, &partition, &object);
  if (contents == nullptr) return;
  ListedObjects& there = contents->there;
  there.claims.merge(object.claims);
  for (const auto& [pack, pieces] : object.pieces) {
    there.pieces[pack].insert(pieces.begin(), pieces.end());
  }
  for (const auto& [term, numbers] : object.kept) {
    there.kept[term].insert(numbers.begin(), numbers.end());
    NoteKept(term, *numbers.begin(), bytes, contents);
  }
  for (const auto& [term, files] : object.versions) {
    const VersionInTerm version = {term, *files.begin()};
    const auto manifest = server::DecodeFolderManifest(bytes);
    if (!manifest.ok()) return Violate(key, manifest.status().message());
    there.versions[term].insert(version.file);
    contents->packs[version] = manifest->packs;
    if (!Existing(*contents).contains(version)) continue;
    contents->existed.insert(version);
    if (!Whole(*contents, version)) Violate(key, "lacks some of its values");
  }
  for (const Term term : object.inherits) {
    there.inherits.insert(term);
    NoteInherits(key, term, bytes, contents);
  }
}

absl::StatusOr<std::string> Bucket::Put(const std::string& key,
                                        const std::string& bytes,
                                        const PutOptions& options) {
  const absl::string_view parts[] = {bytes};
  auto put = objects_.Put(key, parts, options);
  if (put.ok()) Added(key, bytes);
  return put;
}

absl::Status Bucket::Delete(const std::string& key) {
  EBB_RETURN_IF_ERROR(objects_.Delete(key));
  Partition partition;
  ListedObjects object;
  Contents* const contents = ContentsOf(key, &partition, &object);
  if (contents == nullptr) return absl::OkStatus();
  const std::set<VersionInTerm> existing = Existing(*contents);
  ListedObjects& there = contents->there;
  for (const auto& [term, files] : object.versions) {
    if (existing.contains({term, *files.begin()})) {
      Violate(key, "is deleted, and exists");
    }
    there.versions[term].erase(*files.begin());
  }
  for (const auto& [pack, pieces] : object.pieces) {
    for (const VersionInTerm& version : existing) {
      if (std::ranges::count(contents->packs[version], pack,
                             &server::Pack::name) > 0) {
        Violate(key,
                absl::StrCat("is deleted, and ", Text(version), " needs it"));
      }
    }
    there.pieces[pack].erase(*pieces.begin());
  }
  for (const auto& [term, numbers] : object.kept) {
    there.kept[term].erase(*numbers.begin());
  }
  for (const Term term : object.inherits) there.inherits.erase(term);
  for (const Term term : object.claims) there.claims.erase(term);
  return absl::OkStatus();
}

// --- Requests ----------------------------------------------------------------

bool BucketRequests::Faulty() const {
  return call_ != nullptr && !killed_ && !bucket_->world_->calm;
}

absl::Duration BucketRequests::NextStep() {
  Rng& rng = bucket_->rng_;
  return Faulty() && rng.Chance(0.06)
             ? rng.Between(absl::Milliseconds(1), absl::Milliseconds(400))
             : rng.Between(absl::Microseconds(20), absl::Milliseconds(1));
}

absl::Status BucketRequests::Travel() {
  if (call_ != nullptr && !killed_) call_->Pause();
  return killed_ ? absl::UnavailableError("the process is killed")
                 : absl::OkStatus();
}

void BucketRequests::Later(const std::string& what, Effect effect) {
  World* const world = bucket_->world_;
  world->counts().Add(Fault::kRequestLate);
  const absl::Duration late =
      bucket_->rng_.Between(absl::Milliseconds(1), kLatest);
  world->queue().At(world->now() + late, [world, node = node_, what,
                                          effect = std::move(effect)] {
    const absl::Status done = effect().status();
    world->Trace(*node, "late: ", what, ": ", done.ToString());
  });
}

absl::StatusOr<std::string> BucketRequests::Change(const std::string& what,
                                                   Effect effect) {
  if (killed_) return absl::UnavailableError("the process is killed");
  World* const world = bucket_->world_;
  Rng& rng = bucket_->rng_;
  if (const absl::Status sent = Travel(); !sent.ok()) {
    world->counts().Add(Fault::kKilledInRequest);
    if (rng.Chance(0.5)) Later(what, std::move(effect));
    return sent;
  }
  const int64_t die = Faulty() ? rng.Below(100) : 100;
  if (die < 3) {
    world->counts().Add(Fault::kRequestFailed);
    if (die == 0) Later(what, std::move(effect));
    EBB_RETURN_IF_ERROR(Travel());
    return absl::UnavailableError("no answer");
  }
  auto done = effect();
  world->Trace(*node_, what, ": ", done.status().ToString());
  if (die == 3) Later(what, std::move(effect));
  EBB_RETURN_IF_ERROR(Travel());
  if (die == 4) {
    world->counts().Add(Fault::kRequestFailed);
    return absl::UnavailableError("no answer");
  }
  return done;
}

absl::StatusOr<std::string> BucketRequests::Put(
    absl::string_view key, std::span<const absl::string_view> parts,
    const PutOptions& options) {
  return Change(absl::StrCat("puts ", key),
                [bucket = bucket_, key = std::string(key),
                 bytes = absl::StrJoin(parts, ""),
                 options] { return bucket->Put(key, bytes, options); });
}

absl::Status BucketRequests::Delete(absl::string_view key) {
  return Change(absl::StrCat("deletes ", key),
                [bucket = bucket_,
                 key = std::string(key)]() -> absl::StatusOr<std::string> {
                  EBB_RETURN_IF_ERROR(bucket->Delete(key));
                  return std::string();
                })
      .status();
}

absl::StatusOr<ObjectContent> BucketRequests::Get(absl::string_view key,
                                                  const GetOptions& options) {
  EBB_RETURN_IF_ERROR(Travel());
  if (Faulty() && bucket_->rng_.Chance(0.01)) {
    bucket_->world_->counts().Add(Fault::kRequestFailed);
    return absl::UnavailableError("no answer");
  }
  auto content = bucket_->objects_.Get(key, options);
  EBB_RETURN_IF_ERROR(Travel());
  return content;
}

absl::StatusOr<ObjectPage> BucketRequests::List(const ListOptions& options) {
  EBB_RETURN_IF_ERROR(Travel());
  if (Faulty() && bucket_->rng_.Chance(0.01)) {
    bucket_->world_->counts().Add(Fault::kRequestFailed);
    return absl::UnavailableError("no answer");
  }
  EBB_ASSIGN_OR_RETURN(ObjectPage page, bucket_->objects_.List(options));
  if (call_ == nullptr) return page;
  EBB_RETURN_IF_ERROR(Travel());
  EBB_ASSIGN_OR_RETURN(const ObjectPage after, bucket_->objects_.List(options));
  if (!page.next.empty() || !after.next.empty()) return after;
  // It shows each change made meanwhile or not, by itself.
  const auto by_key = [](const ListedObject& a, const ListedObject& b) {
    return a.key < b.key;
  };
  std::vector<ListedObject> both, changed;
  std::ranges::set_intersection(page.objects, after.objects,
                                std::back_inserter(both), by_key);
  std::ranges::set_symmetric_difference(page.objects, after.objects,
                                        std::back_inserter(changed), by_key);
  for (ListedObject& object : changed) {
    bucket_->world_->counts().Add(Probe::kListedMeanwhile);
    if (bucket_->rng_.Chance(0.5)) both.push_back(std::move(object));
  }
  std::ranges::sort(both, by_key);
  page.objects = std::move(both);
  page.folders = after.folders;
  return page;
}

}  // namespace ebb::sim

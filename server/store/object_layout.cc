#include "server/store/object_layout.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "protocol/sealed_fields.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kClaimMagic = "EBBC";
constexpr absl::string_view kInheritsMagic = "EBBH";
constexpr absl::string_view kKeptMagic = "EBBD";
constexpr uint32_t kRecordVersion = 1;
constexpr size_t kDigits = 20;

std::string Padded(uint64_t number) {
  return absl::StrFormat("%0*d", static_cast<int>(kDigits), number);
}

std::optional<uint64_t> ParsePadded(absl::string_view text) {
  uint64_t number = 0;
  if (text.size() != kDigits || !absl::SimpleAtoi(text, &number)) {
    return std::nullopt;
  }
  return Padded(number) == text ? std::optional(number) : std::nullopt;
}

std::optional<uint64_t> ParsePlain(absl::string_view text) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || absl::StrCat(number) != text) {
    return std::nullopt;
  }
  return number;
}

std::string TermPrefix(Term term) {
  return absl::StrCat("t", Padded(term.value()), "/");
}

void ParseOld(const TermFolder& folder, absl::string_view name,
              ListedObjects* listed) {
  OldTerm& term = listed->old[folder.Name()];
  term.folder = folder;
  if (const auto version = ParseVersionFile(name)) {
    term.versions.insert(*version);
  } else if (const auto pack = ParsePackFile(name)) {
    term.packs.insert(*pack);
  } else if (IsNewVersionFile(name)) {
    term.unfinished.emplace_back(name);
  }
}

// "g00000000000000000007-00000000000000000000.version", without the end.
std::optional<VersionFile> ParseVersionObject(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '-');
  if (parts.size() != 2 || !absl::StartsWith(parts[0], "g")) {
    return std::nullopt;
  }
  const auto generation = ParsePadded(parts[0].substr(1));
  const auto sequence = ParsePadded(parts[1]);
  if (!generation.has_value() || !sequence.has_value() ||
      *sequence > std::numeric_limits<int64_t>::max()) {
    return std::nullopt;
  }
  return VersionFile{Generation(*generation), static_cast<int64_t>(*sequence)};
}

void ParseInTerm(Term term, absl::string_view name, ListedObjects* listed) {
  if (absl::ConsumeSuffix(&name, ".version")) {
    if (const auto version = ParseVersionObject(name)) {
      listed->versions[term].insert(*version);
    }
  } else if (absl::ConsumeSuffix(&name, ".kept")) {
    if (const auto number = ParsePadded(name)) {
      listed->kept[term].insert(*number);
    }
  } else if (absl::ConsumeSuffix(&name, ".values")) {
    const std::vector<absl::string_view> parts = absl::StrSplit(name, '-');
    if (parts.size() != 2) return;
    const auto number = ParsePlain(parts[0]);
    const auto piece = ParsePlain(parts[1]);
    if (number && piece) listed->pieces[{term, *number}].insert(*piece);
  }
}

}  // namespace

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, VersionFile>
void VisitFields(Struct& file, Visitor&& visit) {
  auto& [generation, sequence] = file;
  visit(generation, sequence);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, VersionInTerm>
void VisitFields(Struct& version, Visitor&& visit) {
  auto& [term, file] = version;
  visit(term, file);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, InheritedVersion>
void VisitFields(Struct& inherited, Visitor&& visit) {
  auto& [version, writer] = inherited;
  visit(version, writer);
}

std::string JobPrefix(JobId job) { return JobFolderName(job) + "/"; }

std::string JobRecordKey(JobId job, ServerId server) {
  return absl::StrCat(JobPrefix(job), ServerFolderName(server), "/job");
}

std::string PartitionPrefix(JobId job, PartitionId partition) {
  return absl::StrCat(JobPrefix(job), PartitionFolderName(partition), "/");
}

std::string ClaimKey(Term term) {
  return absl::StrCat("claims/", Padded(term.value()));
}

std::string InheritsKey(Term term) {
  return absl::StrCat("inherits/", Padded(term.value()));
}

std::string VersionObjectKey(Term term, const VersionFile& version) {
  return absl::StrCat(TermPrefix(term), "g", Padded(version.generation.value()),
                      "-", Padded(static_cast<uint64_t>(version.sequence)),
                      ".version");
}

std::string KeptKey(Term term, uint64_t number) {
  return absl::StrCat(TermPrefix(term), Padded(number), ".kept");
}

std::string ValuesKey(const PackName& pack, uint64_t piece) {
  return absl::StrCat(TermPrefix(pack.term), pack.number, "-", piece,
                      ".values");
}

Term ListedObjects::NewestWritten() const {
  Term newest;
  if (!inherits.empty()) newest = std::max(newest, *inherits.rbegin());
  if (!versions.empty()) newest = std::max(newest, versions.rbegin()->first);
  if (!kept.empty()) newest = std::max(newest, kept.rbegin()->first);
  if (!pieces.empty()) newest = std::max(newest, pieces.rbegin()->first.term);
  return newest;
}

ListedObjects ParseListedObjects(absl::string_view prefix,
                                 std::span<const ListedObject> objects) {
  ListedObjects listed;
  for (const ListedObject& object : objects) {
    absl::string_view key = object.key;
    if (!absl::ConsumePrefix(&key, prefix)) continue;
    const std::vector<absl::string_view> parts = absl::StrSplit(key, '/');
    if (parts.size() != 2) continue;
    absl::string_view folder = parts[0];
    if (folder == "claims" || folder == "inherits") {
      const auto term = ParsePadded(parts[1]);
      if (!term.has_value()) continue;
      (folder == "claims" ? listed.claims : listed.inherits)
          .insert(Term(*term));
    } else if (const auto old = ParseTermFolder(folder)) {
      ParseOld(*old, parts[1], &listed);
    } else if (absl::ConsumePrefix(&folder, "t")) {
      const auto term = ParsePadded(folder);
      if (term.has_value()) ParseInTerm(Term(*term), parts[1], &listed);
    }
  }
  return listed;
}

std::string EncodeClaim(ServerId server) {
  return SealFields(kClaimMagic, kRecordVersion, server);
}

absl::StatusOr<ServerId> DecodeClaim(absl::string_view bytes) {
  ServerId server;
  EBB_RETURN_IF_ERROR(
      UnsealFields(kClaimMagic, kRecordVersion, "claim of a term", bytes,
                   [&](FieldReader& read, uint32_t) { read(server); }));
  return server;
}

std::string EncodeInherits(const Inherits& inherits) {
  return SealFields(kInheritsMagic, kRecordVersion, inherits.server,
                    inherits.versions);
}

absl::StatusOr<Inherits> DecodeInherits(absl::string_view bytes) {
  Inherits inherits;
  EBB_RETURN_IF_ERROR(UnsealFields(kInheritsMagic, kRecordVersion,
                                   "what a term goes on from", bytes,
                                   [&](FieldReader& read, uint32_t) {
                                     read(inherits.server, inherits.versions);
                                   }));
  return inherits;
}

std::string EncodeKept(const Kept& kept) {
  return SealFields(kKeptMagic, kRecordVersion, kept.newest, kept.versions);
}

absl::StatusOr<Kept> DecodeKept(absl::string_view bytes) {
  Kept kept;
  EBB_RETURN_IF_ERROR(UnsealFields(
      kKeptMagic, kRecordVersion, "kept versions", bytes,
      [&](FieldReader& read, uint32_t) { read(kept.newest, kept.versions); }));
  return kept;
}

}  // namespace ebb::server

#include "server/store/internal/folder_manifest.h"

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/sealed_fields.h"
#include "server/store/internal/cut_blocks.h"

namespace ebb::server {

namespace {

constexpr absl::string_view kMagic = "EBBV";
constexpr uint32_t kVersion = 1;

absl::Status Consistent(const FolderManifest& manifest) {
  for (const StoredBlock& block : manifest.version.DistinctBlocks()) {
    if (block.number >= manifest.places.size()) {
      return absl::DataLossError(absl::StrCat("shared checkpoint: block ",
                                              block.number, " has no place"));
    }
    const BlockPlace& place = manifest.places[block.number];
    const uint64_t pack_bytes = place.pack < manifest.packs.size()
                                    ? manifest.packs[place.pack].bytes
                                    : 0;
    // The first is asked first: the others must not overflow.
    if (static_cast<uint64_t>(block.floats) > pack_bytes / sizeof(float) ||
        SealedBlockBytes(block.floats) > pack_bytes ||
        place.offset > pack_bytes - SealedBlockBytes(block.floats)) {
      return absl::DataLossError(absl::StrCat("shared checkpoint: block ",
                                              block.number,
                                              " is in none of its files"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, PackName>
void VisitFields(Struct& name, Visitor&& visit) {
  auto& [term, number] = name;
  visit(term, number);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, Pack>
void VisitFields(Struct& pack, Visitor&& visit) {
  auto& [name, bytes] = pack;
  visit(name, bytes);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, BlockPlace>
void VisitFields(Struct& place, Visitor&& visit) {
  auto& [pack, offset] = place;
  visit(pack, offset);
}

std::string EncodeFolderManifest(const FolderManifest& manifest) {
  const auto& [version, packs, places] = manifest;
  return SealFields(kMagic, kVersion, EncodeManifest(version), packs, places);
}

absl::StatusOr<FolderManifest> DecodeFolderManifest(absl::string_view bytes) {
  FolderManifest manifest;
  std::string version;
  EBB_RETURN_IF_ERROR(UnsealFields(kMagic, kVersion, "shared checkpoint", bytes,
                                   [&](FieldReader& read, uint32_t) {
                                     read(version, manifest.packs,
                                          manifest.places);
                                   }));
  EBB_ASSIGN_OR_RETURN(manifest.version, DecodeManifest(version));
  EBB_RETURN_IF_ERROR(Consistent(manifest));
  return manifest;
}

VersionSummary SummaryOf(const FolderManifest& manifest) {
  VersionSummary summary;
  summary.key = manifest.version.key;
  summary.marks = manifest.version.marks;
  summary.updates = manifest.version.updates;
  summary.written_us = manifest.version.written_us;
  for (const auto& [name, array] : manifest.version.arrays) {
    summary.value_bytes += array.floats * static_cast<int64_t>(sizeof(float));
  }
  return summary;
}

std::map<VersionKey, RoundSpan> RoundsOfManifests(
    const JobPlan& plan, std::span<const VersionKey> versions,
    absl::FunctionRef<absl::StatusOr<FolderManifest>(const VersionKey&)> read) {
  std::map<VersionKey, RoundSpan> all;
  if (!plan.rounds()) return all;
  for (const VersionKey& key : versions) {
    const auto manifest = read(key);
    if (!manifest.ok()) continue;
    if (const auto rounds = RoundsOf(plan, manifest->version.marks,
                                     NamesOf(manifest->version.arrays))) {
      all[key] = *rounds;
    }
  }
  return all;
}

}  // namespace ebb::server

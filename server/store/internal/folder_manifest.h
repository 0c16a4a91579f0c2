// The stored form of a version in a shared folder
// (docs/formats/shared-checkpoints.md). Pure functions on bytes.
#ifndef EBB_SERVER_STORE_INTERNAL_FOLDER_MANIFEST_H_
#define EBB_SERVER_STORE_INTERNAL_FOLDER_MANIFEST_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "protocol/sealed.h"
#include "server/store/manifest.h"
#include "server/store/version_summary.h"

namespace ebb::server {

// A file of values: sealed blocks, one after the other. The content behind a
// name never changes.
struct PackName {
  Term term;  // The term whose folder it is in.
  uint64_t number = 0;
  friend constexpr auto operator<=>(const PackName&, const PackName&) = default;
};

struct Pack {
  PackName name;
  uint64_t bytes = 0;
  friend bool operator==(const Pack&, const Pack&) = default;
};

// The place of a sealed block.
struct BlockPlace {
  uint64_t pack = 0;  // An index of FolderManifest::packs.
  uint64_t offset = 0;
  friend bool operator==(const BlockPlace&, const BlockPlace&) = default;
};

struct FolderManifest {
  // The number of a block is an index of `places`.
  Manifest version;
  std::vector<Pack> packs;
  std::vector<BlockPlace> places;
  friend bool operator==(const FolderManifest&,
                         const FolderManifest&) = default;
};

// Returns the size of a sealed block of `floats`.
inline uint64_t SealedBlockBytes(int64_t floats) {
  return kSealHeadBytes + static_cast<uint64_t>(floats) * sizeof(float) +
         kSealTailBytes;
}

std::string EncodeFolderManifest(const FolderManifest& manifest);
// Decodes a manifest. DataLoss: the bytes are not from EncodeFolderManifest.
// FailedPrecondition: a newer ebb wrote them. The result is consistent: each
// block of each array has a place, and each place is within its pack.
absl::StatusOr<FolderManifest> DecodeFolderManifest(absl::string_view bytes);

// The facts of a list about the version.
VersionSummary SummaryOf(const FolderManifest& manifest);

// The rounds of versions whose manifests `read` reads. A version that cannot be
// read has none: loading it will tell. Empty if the plan has no rounds.
std::map<VersionKey, RoundSpan> RoundsOfManifests(
    const JobPlan& plan, std::span<const VersionKey> versions,
    absl::FunctionRef<absl::StatusOr<FolderManifest>(const VersionKey&)> read);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_FOLDER_MANIFEST_H_

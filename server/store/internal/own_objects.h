// The common parts of the sources of ObjectCheckpoints.
#ifndef EBB_SERVER_STORE_INTERNAL_OWN_OBJECTS_H_
#define EBB_SERVER_STORE_INTERNAL_OWN_OBJECTS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/store/internal/version_draft.h"
#include "server/store/object_checkpoints.h"

namespace ebb::server {

// Older than any version.
inline constexpr VersionFile kNone = {Generation(0), -1};

// The facts that this store knows of a partition in which it writes.
struct ObjectCheckpoints::OwnPartition {
  // The content of the newest cut written, loaded or recognised.
  PlacedContents known;

  // The term in which this store writes; 0: none. The rest is about it.
  Term term;
  uint64_t next_pack = 1;
  uint64_t next_kept = 1;
  // The versions that exist; no other server changes that in the newest term.
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

inline absl::Status Prefixed(const std::string& name,
                             const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(name, ": ", status.message()));
}

inline VersionKey KeyOf(const PartitionName& partition,
                        const VersionInTerm& version) {
  return {partition.first, version.file.generation, partition.second,
          version.term, version.file.sequence};
}

inline VersionInTerm InTermOf(const VersionKey& key) {
  return {key.term, VersionFileOf(key)};
}

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_OWN_OBJECTS_H_

// The names in a place of shared checkpoints, and those of ebb 0.2 in a folder
// (docs/formats/shared-checkpoints.md). Numbers in them are decimal.
#ifndef EBB_SERVER_STORE_INTERNAL_FOLDER_LAYOUT_H_
#define EBB_SERVER_STORE_INTERNAL_FOLDER_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "server/store/internal/version_index.h"

namespace ebb::server {

// job-JOB, and server-SERVER and pPARTITION in it.
std::string JobFolderName(JobId job);
std::string ServerFolderName(ServerId server);
std::string PartitionFolderName(PartitionId partition);
std::optional<JobId> ParseJobFolder(absl::string_view name);
std::optional<ServerId> ParseServerFolder(absl::string_view name);
std::optional<PartitionId> ParsePartitionFolder(absl::string_view name);

// A folder of ebb 0.2 that one server wrote in a term: tTERM-sSERVER as long as
// it is open. After that it is tTERM-sSERVER.ofOWNER: only the owner of a later
// term may delete in it, and no server writes.
struct TermFolder {
  Term term;
  ServerId server;
  Term owner;  // `term` itself while it is open.
  friend bool operator==(const TermFolder&, const TermFolder&) = default;

  bool open() const { return owner == term; }
  std::string Name() const;
};
std::optional<TermFolder> ParseTermFolder(absl::string_view name);

// A version within its term. In a folder of ebb 0.2 it has the name
// gGENERATION-SEQUENCE.version, beside NUMBER.values. Before it is whole, its
// name ends with ".new" there.
struct VersionFile {
  Generation generation;
  int64_t sequence = 0;
  friend constexpr auto operator<=>(const VersionFile&,
                                    const VersionFile&) = default;

  std::string Name() const;
};
std::optional<VersionFile> ParseVersionFile(absl::string_view name);
bool IsNewVersionFile(absl::string_view name);
std::string PackFile(uint64_t number);
std::optional<uint64_t> ParsePackFile(absl::string_view name);

inline VersionFile VersionFileOf(const VersionKey& key) {
  return {key.generation, key.sequence};
}

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_FOLDER_LAYOUT_H_

// Damaging a stored file: which one, and which bytes of it.
#ifndef EBB_TOOLS_CHAOS_DAMAGE_H_
#define EBB_TOOLS_CHAOS_DAMAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/chaos/events.h"

namespace ebb::chaos {

struct StoredFile {
  std::string path;
  int64_t bytes = 0;
  int64_t changed = 0;  // Greater: later.
};

struct Damage {
  std::string path;
  // Offsets of bytes to flip, in order; at least one.
  std::vector<int64_t> offsets;
};

// A function of its arguments. Only files that hold values are damaged: no log
// for people, no lock, nothing empty. Absent: there are none.
std::optional<Damage> PlanDamage(std::vector<StoredFile> files,
                                 FileChoice choice, uint64_t draw);

// Flips what PlanDamage says in a file below `folder`. Returns its path below
// the folder, and how many bytes: "000012.sst, 16 bytes". NotFound: there is no
// file to damage. Blocks on the disk.
absl::StatusOr<std::string> DamageAFile(const std::string& folder,
                                        FileChoice choice, uint64_t draw);

// All below `folder` is removed.
absl::Status LoseFiles(const std::string& folder);
// All below `folder` is copied beside it; a copy of before is replaced.
absl::Status KeepFiles(const std::string& folder);
// Replaces the content of `folder` by the copy. NotFound: there is none.
absl::Status RestoreFiles(const std::string& folder);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_DAMAGE_H_

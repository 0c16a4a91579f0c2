// How far a run must go back to find values that training can go on from.
#ifndef EBB_TOOLS_EBB_ROLLBACK_SOUND_VERSIONS_H_
#define EBB_TOOLS_EBB_ROLLBACK_SOUND_VERSIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace ebb::tools {

struct SoundVersions {
  enum class Kind {
    kUnknown,  // Not checked, or it could not be read.
    kNewest,   // The newest versions are sound.
    kOlder,    // The newest ones stored by `unix_ms` are.
    kNone,     // There is no such time.
  };
  Kind kind = Kind::kUnknown;
  int64_t unix_ms = 0;
};

struct LookedAt {
  int64_t written_unix_ms = 0;
  // All its values are finite, and none is far off (models::kFarOffFrom).
  bool sound = false;
};

// `versions` has those of each partition, newest first. The time is the last
// before any partition stored a damaged version.
SoundVersions ChooseSound(const std::vector<std::vector<LookedAt>>& versions);

// Looks at what a run that is over left in its folder. Blocks while it reads
// values: versions of more than a bounded number of bytes are not read, and a
// job in rounds goes back by rounds; kUnknown then.
SoundVersions FindSoundVersions(const std::string& folder);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_ROLLBACK_SOUND_VERSIONS_H_

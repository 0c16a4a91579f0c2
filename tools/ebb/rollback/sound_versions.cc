#include "tools/ebb/rollback/sound_versions.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "models/non_finite.h"
#include "protocol/plan.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/checkpoint/read_model.h"

namespace ebb::tools {

namespace {

using Kind = SoundVersions::Kind;

// All versions that are looked at have at most so many: a second or so of
// reading.
constexpr int64_t kMostBytes = int64_t{1} << 30;

absl::StatusOr<bool> IsSound(CheckpointSource* source,
                             const VersionInfo& version,
                             const std::vector<std::string>& names) {
  EBB_ASSIGN_OR_RETURN(const VersionArrays read, source->Read(version, names));
  return std::ranges::all_of(read.floats, [](const auto& one) {
    return models::AllFinite(one.second) &&
           models::LargestFinite(one.second) < models::kFarOffFrom;
  });
}

absl::StatusOr<SoundVersions> Find(const std::string& folder) {
  CheckpointPlace place;
  place.name = folder;
  EBB_ASSIGN_OR_RETURN(const auto source, OpenCheckpoints(place));
  const JobPlan& plan = source->job().plan;
  if (plan.rounds()) return SoundVersions();
  EBB_ASSIGN_OR_RETURN(const auto names, ValueNames(source->job()));
  EBB_ASSIGN_OR_RETURN(const auto listed, source->List());
  std::vector<std::vector<VersionInfo>> versions(plan.partitions);
  for (const VersionInfo& one : listed) {
    const int32_t p = one.key.partition.value();
    if (p >= 0 && p < plan.partitions &&
        OfLine(one.key, source->line().generation, source->line().rollback)) {
      versions[p].push_back(one);
    }
  }
  int64_t left = kMostBytes;
  std::vector<std::vector<LookedAt>> looked(plan.partitions);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    std::ranges::sort(versions[p], [](const auto& a, const auto& b) {
      return a.key > b.key;
    });
    for (const VersionInfo& version : versions[p]) {
      // What is older than a sound one is not asked for.
      if (!looked[p].empty() && looked[p].back().sound) {
        looked[p].push_back({version.written_unix_ms, true});
        continue;
      }
      left -= version.bytes;
      if (left < 0) return SoundVersions();
      EBB_ASSIGN_OR_RETURN(const bool good,
                           IsSound(source.get(), version, names));
      looked[p].push_back({version.written_unix_ms, good});
    }
  }
  return ChooseSound(looked);
}

}  // namespace

SoundVersions ChooseSound(const std::vector<std::vector<LookedAt>>& versions) {
  // Before the first that is not sound, of those behind the last that is.
  int64_t limit = std::numeric_limits<int64_t>::max();
  for (const std::vector<LookedAt>& partition : versions) {
    for (const LookedAt& one : partition) {
      if (one.sound) break;
      limit = std::min(limit, one.written_unix_ms - 1);
    }
  }
  bool all_newest = true;
  for (const std::vector<LookedAt>& partition : versions) {
    const auto chosen = std::ranges::find_if(
        partition,
        [limit](const LookedAt& one) { return one.written_unix_ms <= limit; });
    if (chosen == partition.end() || !chosen->sound) return {Kind::kNone};
    all_newest = all_newest && chosen == partition.begin();
  }
  if (all_newest) return {Kind::kNewest};
  return {Kind::kOlder, limit};
}

SoundVersions FindSoundVersions(const std::string& folder) {
  return Find(folder).value_or(SoundVersions());
}

}  // namespace ebb::tools

#include "server/version_list.h"

#include <algorithm>

#include "common/plant.h"

namespace ebb::server {

void VersionList::Damaged(const VersionKey& key) {
  const auto it = versions_.find(key);
  if (it != versions_.end()) it->second.damaged = true;
}

std::vector<VersionKey> VersionList::ToLoad(
    PartitionId partition, Generation generation,
    const RollbackRecord& rollback) const {
  std::vector<VersionKey> keys;
  for (auto it = versions_.rbegin(); it != versions_.rend(); ++it) {
    if (it->second.damaged) continue;
    if (it->first.generation == generation ||
        EBB_PLANTED(versions_of_dead_generations_count)) {
      keys.push_back(it->first);
    }
  }
  if (const VersionKey* from = rollback.Find(partition)) keys.push_back(*from);
  return keys;
}

Term VersionList::NewestTerm(Generation generation,
                             const RollbackRecord& rollback) const {
  for (auto it = versions_.rbegin(); it != versions_.rend(); ++it) {
    const auto& [key, version] = *it;
    if (version.damaged) continue;
    if (key.generation == generation) return key.term;
    const VersionKey* from = rollback.Find(key.partition);
    if (from != nullptr && *from == key) return key.term;
  }
  return Term();
}

std::vector<VersionKey> VersionList::Clear() {
  std::vector<VersionKey> keys;
  for (const auto& [key, version] : versions_) keys.push_back(key);
  versions_.clear();
  return keys;
}

std::vector<RoundVersion> VersionList::OfRounds(
    Generation generation, const RollbackRecord& rollback) const {
  std::vector<RoundVersion> usable;
  for (const auto& [key, version] : versions_) {
    if (version.damaged || !version.rounds.has_value() ||
        !OfLine(key, generation, rollback)) {
      continue;
    }
    usable.push_back({key, *version.rounds});
  }
  return usable;
}

std::vector<RoundVersion> VersionList::OfTheLine(
    Generation generation, const RollbackRecord& rollback) const {
  std::vector<RoundVersion> usable;
  for (const auto& [key, version] : versions_) {
    if (version.damaged || !OfLine(key, generation, rollback)) continue;
    usable.push_back({key, version.rounds.value_or(RoundSpan())});
  }
  return usable;
}

std::vector<VersionKey> VersionList::Prune(size_t keep, Generation generation,
                                           const RollbackRecord& rollback) {
  size_t counted = 0;
  std::vector<VersionKey> dropped;
  for (auto it = versions_.rbegin(); it != versions_.rend(); ++it) {
    const auto& [key, version] = *it;
    const VersionKey* from = rollback.Find(key.partition);
    const bool named = from != nullptr && *from == key &&
                       !EBB_PLANTED(best_version_deleted_by_retention);
    const bool counts =
        !version.damaged && OfLine(key, generation, rollback) && counted < keep;
    if (counts) ++counted;
    if (!counts && (!named || version.damaged)) dropped.push_back(key);
  }
  for (const VersionKey& key : dropped) versions_.erase(key);
  std::reverse(dropped.begin(), dropped.end());
  return dropped;
}

}  // namespace ebb::server

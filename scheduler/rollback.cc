#include "scheduler/rollback.h"

#include <algorithm>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

namespace {

// The newest version with the value of `round`; null: there is none.
const RoundVersion* NewestWith(const PartitionRounds& partition,
                               int64_t round) {
  const RoundVersion* newest = nullptr;
  for (const RoundVersion& version : partition.stored) {
    if (!version.rounds.Has(round)) continue;
    if (newest == nullptr || version.key > newest->key) newest = &version;
  }
  return newest;
}

// The initial values are those of round 0, and everybody has them.
int64_t NewestCommonRound(const std::vector<PartitionRounds>& partitions) {
  std::set<int64_t, std::greater<>> open;
  for (const PartitionRounds& partition : partitions) {
    for (const RoundVersion& version : partition.stored) {
      open.insert(version.rounds.open);
    }
  }
  // Spans reach up to the open round, so the newest common one is open in some
  // version.
  for (const int64_t round : open) {
    if (std::all_of(partitions.begin(), partitions.end(),
                    [&](const PartitionRounds& partition) {
                      return NewestWith(partition, round) != nullptr;
                    })) {
      return round;
    }
  }
  return 0;
}

}  // namespace

std::optional<Rollback> DecideRollback(
    const std::vector<PartitionRounds>& partitions) {
  const auto open = [](const PartitionRounds& a, const PartitionRounds& b) {
    return a.live.open < b.live.open;
  };
  const auto behind =
      std::min_element(partitions.begin(), partitions.end(), open);
  const auto without = std::find_if(
      partitions.begin(), partitions.end(),
      [&](const auto& one) { return one.live.oldest > behind->live.open; });
  if (without == partitions.end()) return std::nullopt;
  Rollback rollback;
  rollback.from_round =
      std::max_element(partitions.begin(), partitions.end(), open)->live.open;
  rollback.to_round = NewestCommonRound(partitions);
  for (const PartitionRounds& partition : partitions) {
    const RoundVersion* version = NewestWith(partition, rollback.to_round);
    if (version != nullptr) rollback.record.versions.push_back(version->key);
  }
  rollback.why =
      absl::StrCat("partition ", behind - partitions.begin(),
                   " came back in round ", behind->live.open,
                   ", whose value partition ", without - partitions.begin(),
                   " no longer keeps: its storage was damaged");
  return rollback;
}

}  // namespace ebb::scheduler

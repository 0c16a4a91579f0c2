#include "scheduler/job/rollback.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

namespace {

// The newest version of `round`; null: there is none.
const RoundVersion* NewestOf(const PartitionRounds& partition, int64_t round,
                             OfRound which) {
  const RoundVersion* newest = nullptr;
  for (const RoundVersion& version : partition.stored) {
    const bool is_one = which == OfRound::kOpen ? version.rounds.open == round
                                                : version.rounds.Has(round);
    if (!is_one) continue;
    if (newest == nullptr || version.key > newest->key) newest = &version;
  }
  return newest;
}

// The newest of which all have a version; nothing: there is none.
std::optional<int64_t> CommonRound(
    const std::vector<PartitionRounds>& partitions, OfRound which) {
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
                      return NewestOf(partition, round, which) != nullptr;
                    })) {
      return round;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Rollback> DecideRollback(
    const std::vector<PartitionRounds>& partitions, OfRound which) {
  const auto open = [](const PartitionRounds& a, const PartitionRounds& b) {
    return a.live.open < b.live.open;
  };
  const auto behind =
      std::min_element(partitions.begin(), partitions.end(), open);
  const auto without = std::find_if(
      partitions.begin(), partitions.end(),
      [&](const auto& one) { return one.live.oldest > behind->live.open; });
  if (without == partitions.end()) return std::nullopt;
  Rollback rollback =
      RollbackToRound(partitions, std::numeric_limits<int64_t>::max(), which);
  rollback.why =
      absl::StrCat("partition ", behind - partitions.begin(),
                   " came back in round ", behind->live.open,
                   ", whose value partition ", without - partitions.begin(),
                   " no longer keeps: its newer versions are damaged or gone");
  return rollback;
}

Rollback RollbackToRound(std::vector<PartitionRounds> partitions, int64_t round,
                         OfRound which) {
  Rollback rollback;
  for (PartitionRounds& partition : partitions) {
    rollback.from_round = std::max(rollback.from_round, partition.live.open);
    std::erase_if(partition.stored, [&](const RoundVersion& version) {
      return version.rounds.open > round;
    });
  }
  std::optional<int64_t> common = CommonRound(partitions, which);
  if (which == OfRound::kOpen && common.value_or(0) == 0) {
    // A few steps at two rates cost less than all that was trained.
    which = OfRound::kValue;
    common = CommonRound(partitions, which);
  }
  // The initial values are those of round 0, and every partition has them.
  rollback.to_round = common.value_or(0);
  for (const PartitionRounds& partition : partitions) {
    const RoundVersion* version = NewestOf(partition, rollback.to_round, which);
    if (version != nullptr) rollback.record.versions.push_back(version->key);
  }
  return rollback;
}

Rollback RollbackToRoundOrOldest(const std::vector<PartitionRounds>& partitions,
                                 int64_t round, OfRound which) {
  std::set<int64_t> limits = {round};
  for (const PartitionRounds& partition : partitions) {
    for (const RoundVersion& version : partition.stored) {
      if (version.rounds.open > round) limits.insert(version.rounds.open);
    }
  }
  Rollback rollback;
  for (const int64_t limit : limits) {
    rollback = RollbackToRound(partitions, limit, which);
    if (rollback.record.versions.size() == partitions.size()) return rollback;
  }
  return rollback;
}

std::vector<VersionKey> VersionsBefore(
    const std::vector<PartitionRounds>& partitions, int64_t versions,
    const std::vector<Term>& from) {
  std::vector<VersionKey> named;
  for (size_t p = 0; p < partitions.size(); ++p) {
    std::vector<VersionKey> usable;
    for (const RoundVersion& version : partitions[p].stored) {
      if (version.key.term >= from[p]) usable.push_back(version.key);
    }
    if (usable.empty()) continue;
    std::sort(usable.begin(), usable.end());
    const auto newest = static_cast<int64_t>(usable.size()) - 1;
    named.push_back(usable[std::max<int64_t>(0, newest - versions)]);
  }
  return named;
}

absl::StatusOr<RollbackRecord> ChooseVersions(
    const std::vector<KeptVersion>& versions, int32_t partitions,
    const RollbackTarget& target) {
  RollbackRecord record;
  for (int32_t p = 0; p < partitions; ++p) {
    std::vector<const KeptVersion*> old_enough;
    int64_t kept = 0;
    for (const KeptVersion& version : versions) {
      if (version.key.partition != PartitionId(p)) continue;
      ++kept;
      if (!target.written_unix_ms ||
          version.written_unix_ms <= *target.written_unix_ms) {
        old_enough.push_back(&version);
      }
    }
    std::sort(old_enough.begin(), old_enough.end(),
              [](const auto* a, const auto* b) { return a->key > b->key; });
    if (static_cast<int64_t>(old_enough.size()) <= target.versions_ago) {
      return absl::NotFoundError(absl::StrCat(
          "none of the ", kept, " stored versions of partition ", p,
          " is so old; ebb checkpoint list shows them all (those from before "
          "it moved to another server are gone)"));
    }
    record.versions.push_back(old_enough[target.versions_ago]->key);
  }
  return record;
}

}  // namespace ebb::scheduler

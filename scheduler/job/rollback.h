// Decides whether a job in rounds must roll back, and to what.
//
// A partition that comes back with an older round needs no rollback as long as
// the others keep the values from which its missing rounds were computed. If
// one of these values is gone (damaged storage), the missing rounds cannot be
// computed. Then the job goes back, as a new generation, to the newest round of
// which every partition has a version of the line (docs/protocol.md,
// "Rollback").
//
// Pure functions.
#ifndef EBB_SCHEDULER_JOB_ROLLBACK_H_
#define EBB_SCHEDULER_JOB_ROLLBACK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb::scheduler {

// The rounds of a partition, as its owner reports.
struct PartitionRounds {
  RoundSpan live;                    // In memory.
  std::vector<RoundVersion> stored;  // Sound, and of the line.
};

struct Rollback {
  RollbackRecord record;
  int64_t from_round = 0;  // The latest that was open anywhere.
  int64_t to_round = 0;    // The one that is open afterwards.
  std::string why;
};

// Which versions are those of a round.
enum class OfRound {
  // They have the round's value. Rounds that some closed after it are closed
  // again by the others, with the same result.
  kValue,
  // The round is open in them: at another rate the others would come to another
  // result, and so would gradients taken at older values. Without such a round
  // it is as above: to go on from values that are nearly right is better than
  // from the beginning.
  kOpen,
};
// For a generation at that rate factor, after one that began with the record.
inline OfRound OfRoundAt(double factor, const RollbackRecord& before) {
  // A job that rolled back by itself has versions of a higher rate.
  return factor == 1 && before.rate_factor == 1 && before.nonfinite == 0
             ? OfRound::kValue
             : OfRound::kOpen;
}

// nullopt: every partition has the value of the oldest open round.
std::optional<Rollback> DecideRollback(
    const std::vector<PartitionRounds>& partitions,
    OfRound which = OfRound::kValue);

// Rolls back to the newest round of which every partition has a version that
// was stored when no round after `round` was open. Without one: to the
// beginning.
Rollback RollbackToRound(std::vector<PartitionRounds> partitions, int64_t round,
                         OfRound which = OfRound::kValue);
// The same, or else to the oldest round of which every partition has a version.
// Without one: to the beginning.
Rollback RollbackToRoundOrOldest(const std::vector<PartitionRounds>& partitions,
                                 int64_t round,
                                 OfRound which = OfRound::kValue);

// Returns for each partition the version that many before its newest, or else
// its oldest, among those of its term in `from` and later ones. A partition
// without such versions is left out.
std::vector<VersionKey> VersionsBefore(
    const std::vector<PartitionRounds>& partitions, int64_t versions,
    const std::vector<Term>& from);

// A stored version of a job that is not in rounds.
struct KeptVersion {
  VersionKey key;
  int64_t written_unix_ms = 0;
};
// An operator's target of a rollback: for each partition the newest version
// that is old enough.
struct RollbackTarget {
  int64_t versions_ago = 0;                // 0: the newest.
  std::optional<int64_t> written_unix_ms;  // Or: stored by then.
};
// Returns the version for each partition; `versions` are sound and of the line.
// NotFound, naming the partition: none of its versions is old enough.
absl::StatusOr<RollbackRecord> ChooseVersions(
    const std::vector<KeptVersion>& versions, int32_t partitions,
    const RollbackTarget& target);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_ROLLBACK_H_

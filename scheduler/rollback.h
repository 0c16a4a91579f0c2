// Whether a job in rounds must roll back, and to what.
//
// A partition that comes back with an older round needs no rollback as long as
// the others keep the values that its missing rounds were computed from. Where
// one of these is gone (damaged storage), nobody can compute what is missing:
// the job goes back, as a new generation, to the newest round of which every
// partition has a version of the line (docs/protocol.md, "Rollback").
//
// Pure functions.
#ifndef EBB_SCHEDULER_ROLLBACK_H_
#define EBB_SCHEDULER_ROLLBACK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/protocol/plan.h"

namespace ebb::scheduler {

// What a partition has, as its owner says.
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

// nullopt: every partition has the value of the oldest open round.
std::optional<Rollback> DecideRollback(
    const std::vector<PartitionRounds>& partitions);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ROLLBACK_H_

// The moves of a job's partitions that are under way.
//
// Not stored: a scheduler that starts draws a new term for every partition,
// which ends every move. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_MOVES_H_
#define EBB_SCHEDULER_MOVES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/cluster.h"

namespace ebb::scheduler {

struct Move {
  PartitionId partition;
  ServerId source;
  ServerId target;
  SessionId target_session;
  Term term;
  absl::Time begun;
  absl::Time last_sign;  // When the target last gave a sign of life.
};

struct Moves {
  std::map<PartitionId, Move> underway;
  // Targets of moves that were given up.
  struct Avoid {
    absl::Time until;
    int failures = 0;  // In a row.
    // Why the last was, if the target does not reach the source.
    std::optional<UnreachedServer> unreached;
  };
  std::map<ServerId, Avoid> avoid;
  int64_t completed = 0;  // In the scheduler's life.
  int64_t given_up = 0;
  // How long those took pushes at neither end that were completed last, and of
  // that were stored.
  struct Pause {
    PartitionId partition;
    ServerId target;
    absl::Duration paused;
    absl::Duration stored;
  };
  static constexpr size_t kMostPauses = 64;
  std::deque<Pause> pauses;

  // The servers to which partitions move.
  std::map<PartitionId, ServerId> Targets() const {
    std::map<PartitionId, ServerId> targets;
    for (const auto& [partition, move] : underway) {
      targets[partition] = move.target;
    }
    return targets;
  }
  std::set<ServerId> Avoided(absl::Time now) const {
    std::set<ServerId> servers;
    for (const auto& [server, one] : avoid) {
      if (one.until > now) servers.insert(server);
    }
    return servers;
  }
  absl::Time NextAvoidEnds(absl::Time after) const {
    absl::Time next = absl::InfiniteFuture();
    for (const auto& [server, one] : avoid) {
      if (one.until > after) next = std::min(next, one.until);
    }
    return next;
  }
  absl::Time NextExpiry(absl::Duration timeout) const {
    absl::Time next = absl::InfiniteFuture();
    for (const auto& [partition, move] : underway) {
      next = std::min(next, move.last_sign + timeout);
    }
    return next;
  }
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_MOVES_H_

// Which partition should change its server next, and to which one.
//
// Pure functions; docs/decisions/0006.
#ifndef EBB_SCHEDULER_JOB_BALANCE_H_
#define EBB_SCHEDULER_JOB_BALANCE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "common/ids.h"
#include "scheduler/cluster.h"
#include "scheduler/placement.h"

namespace ebb::scheduler {

struct WantedMove {
  PartitionId partition;
  ServerId from;
  ServerId to;
};

// The servers that should own the job's partitions: those that are connected
// and not leaving; at most `wanted` of them (0: all), those that own most
// already before others.
std::set<ServerId> Takers(const Cluster& cluster,
                          const PlacementTable& placement, int32_t wanted);

// Returns the next move. First come partitions on servers that are not among
// the takers. Else, when every partition is served, one goes from the fullest
// server to the emptiest if they differ by more than one. Moving partitions
// count where they move `to`. Servers in `avoid` get none. nullopt: all is
// well, or nothing can be done now. `of_all_jobs` is asked only if a partition
// goes away from a server.
std::optional<WantedMove> NextMove(
    const PlacementTable& placement, const std::set<ServerId>& takers,
    const std::map<PartitionId, ServerId>& moving,
    const std::set<ServerId>& avoid,
    const std::function<PartitionCounts()>& of_all_jobs);

// Returns the server of `servers` (at least one) with the fewest partitions: it
// gets the next. Among equals it is the one with the fewest of all jobs.
ServerId Emptiest(const PlacementTable& placement,
                  const std::set<ServerId>& servers,
                  const PartitionCounts& of_all_jobs);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_BALANCE_H_

#include "scheduler/job/balance.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ebb::scheduler {

namespace {

// Counts the partitions that each server has or is to get.
PartitionCounts Loads(const PlacementTable& placement,
                      const std::map<PartitionId, ServerId>& moving) {
  PartitionCounts loads;
  for (int32_t p = 0; p < placement.size(); ++p) {
    const auto to = moving.find(PartitionId(p));
    ++loads[to == moving.end() ? placement.at(PartitionId(p)).owner
                               : to->second];
  }
  return loads;
}

int64_t LoadOf(ServerId server, const PartitionCounts& loads) {
  const auto it = loads.find(server);
  return it == loads.end() ? 0 : it->second;
}

// By the job's own partitions first, so that all servers share its work.
ServerId Emptiest(const std::set<ServerId>& servers, const PartitionCounts& own,
                  const PartitionCounts& of_all_jobs) {
  const auto load = [&](ServerId id) {
    return std::pair(LoadOf(id, own), LoadOf(id, of_all_jobs));
  };
  return *std::min_element(
      servers.begin(), servers.end(),
      [&](ServerId a, ServerId b) { return load(a) < load(b); });
}

}  // namespace

std::set<ServerId> Takers(const Cluster& cluster,
                          const PlacementTable& placement, int32_t wanted) {
  const PartitionCounts loads = Loads(placement, {});
  const auto load = [&](ServerId id) { return LoadOf(id, loads); };
  // One that is only away keeps its place among the wanted.
  std::vector<std::pair<int64_t, ServerId>> members;
  for (const auto& [id, server] : cluster.servers) {
    if (server.leaving || !(server.connected || load(id) > 0)) continue;
    members.emplace_back(-load(id), id);
  }
  std::sort(members.begin(), members.end());
  if (wanted > 0 && static_cast<int64_t>(members.size()) > wanted) {
    members.resize(wanted);
  }
  std::set<ServerId> takers;
  for (const auto& [rank, id] : members) {
    if (cluster.servers.at(id).connected) takers.insert(id);
  }
  return takers;
}

ServerId Emptiest(const PlacementTable& placement,
                  const std::set<ServerId>& servers,
                  const PartitionCounts& of_all_jobs) {
  return Emptiest(servers, Loads(placement, {}), of_all_jobs);
}

std::optional<WantedMove> NextMove(
    const PlacementTable& placement, const std::set<ServerId>& takers,
    const std::map<PartitionId, ServerId>& moving,
    const std::set<ServerId>& avoid,
    const std::function<PartitionCounts()>& of_all_jobs) {
  std::set<ServerId> targets = takers;
  for (const ServerId server : avoid) targets.erase(server);
  if (targets.empty()) return std::nullopt;
  PartitionCounts loads = Loads(placement, moving);
  const auto fewer = [&](ServerId a, ServerId b) {
    return loads[a] < loads[b];
  };
  const ServerId least =
      *std::min_element(targets.begin(), targets.end(), fewer);
  const ServerId most = *std::max_element(takers.begin(), takers.end(), fewer);
  std::optional<WantedMove> away, level;
  for (int32_t i = 0; i < placement.size(); ++i) {
    const PartitionId p(i);
    const Ownership& one = placement.at(p);
    if (!one.registered || moving.contains(p)) continue;
    if (!takers.contains(one.owner)) {
      if (!away) away = WantedMove{p, one.owner, least};
    } else if (one.owner == most && !level) {
      level = WantedMove{p, most, least};
    }
  }
  if (away) {
    away->to = Emptiest(targets, loads, of_all_jobs());
    return away;
  }
  if (!placement.AllRegistered() || loads[most] - loads[least] < 2) {
    return std::nullopt;
  }
  return level;
}

}  // namespace ebb::scheduler

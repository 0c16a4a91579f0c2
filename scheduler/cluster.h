// Who is there: the servers and workers a scheduler knows.
#ifndef EBB_SCHEDULER_CLUSTER_H_
#define EBB_SCHEDULER_CLUSTER_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/actions.h"
#include "scheduler/placement.h"
#include "scheduler/servers.h"
#include "scheduler/workers.h"

namespace ebb::scheduler {

// Returns the server's name where people read.
inline std::string NameOf(ServerId server) {
  return "ps-" + std::to_string(server.value());
}

struct Cluster {
  Servers servers;
  Workers workers;

  std::vector<ServerId> ServerIds() const {
    std::vector<ServerId> ids;
    for (const auto& [id, server] : servers) ids.push_back(id);
    return ids;
  }
  // How many workers may work on the job.
  int64_t WorkersFor(JobId job) const {
    return std::count_if(workers.begin(), workers.end(),
                         [this, job](const auto& one) {
                           return workers.MayWorkOn(one.second, job);
                         });
  }
};

// The things that every decision may use, and the place of its consequences.
struct Context {
  absl::Time now;
  Cluster* cluster;
  NumberSource* numbers;
  SchedulerActions* out;
  // Counts the partitions of all jobs, which takes longer with more jobs.
  std::function<PartitionCounts()> partitions_of_all_jobs;

  void Log(std::string text) { out->push_back(LogEvent{std::move(text)}); }
  // The same, and it is on the list of recent events.
  void Tell(EventKind kind, JobId job, std::string text,
            std::string subject = "");
  void ToServer(const ServerInfo& server, SchedulerToServer message) {
    if (server.connected) {
      out->push_back(SendServer{server.link, std::move(message)});
    }
  }
  // To every server that owns a partition.
  void ToOwners(const PlacementTable& placement,
                const SchedulerToServer& message) {
    std::set<ServerId> owners;
    for (int32_t p = 0; p < placement.size(); ++p) {
      owners.insert(placement.at(PartitionId(p)).owner);
    }
    for (const ServerId owner : owners) {
      const auto it = cluster->servers.find(owner);
      if (it != cluster->servers.end()) ToServer(it->second, message);
    }
  }
  void ToWorker(SessionId worker, SchedulerToWorker message) {
    const auto it = cluster->workers.find(worker);
    if (it == cluster->workers.end()) return;
    out->push_back(SendWorker{it->second.link, std::move(message)});
  }
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_CLUSTER_H_

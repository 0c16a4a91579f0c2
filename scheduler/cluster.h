// Who is there: the servers and workers a scheduler knows.
#ifndef EBB_SCHEDULER_CLUSTER_H_
#define EBB_SCHEDULER_CLUSTER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/actions.h"
#include "scheduler/placement.h"
#include "scheduler/workers.h"

namespace ebb::scheduler {

// What a server last said of one job, for people.
struct ServerReport {
  int64_t updates = 0;  // Of the scheduler's life.
  std::string problem;  // Empty: none.
  ServerProblem problem_kind = ServerProblem::kOther;
  // Pushes refused for want of room: in the last report with any.
  int64_t refused_pushes = 0;
  std::string refusal;
  absl::Time refused_at = absl::InfinitePast();
};

struct ServerInfo {
  ServerId id;
  SessionId session;  // 0: not heard of in the scheduler's life.
  std::string address;
  int64_t process_id = 0;
  LinkId link;
  bool connected = false;
  bool empty = false;       // It had nothing of any job when it registered.
  bool lost_store = false;  // It came back so, and had something before.
  // Connected or lost since; or heard of, if it never connected.
  absl::Time since = absl::InfinitePast();
  absl::Time last_heard = absl::InfinitePast();
  std::map<JobId, ServerReport> reports;
  // As in RegisterServer.
  std::string shared_folder;
  std::string store;
  bool leaving = false;
  StoreDamage store_damage;    // Of its present life.
  bool told_to_leave = false;  // LeaveNow was sent.
  bool goodbye = false;        // It left in good order.
  // Of another process with this id that was refused last.
  SessionId refused;
  std::string refusal;
  absl::Time refused_at = absl::InfinitePast();
  // When the first such came after the last word of this one.
  absl::Time challenged_at = absl::InfiniteFuture();

  void Heard(absl::Time now) {
    last_heard = now;
    challenged_at = absl::InfiniteFuture();
  }
};

// As daemons are named where people read.
inline std::string NameOf(ServerId server) {
  return "ps-" + std::to_string(server.value());
}

struct Cluster {
  std::map<ServerId, ServerInfo> servers;
  Workers workers;

  std::vector<ServerId> ServerIds() const {
    std::vector<ServerId> ids;
    for (const auto& [id, server] : servers) ids.push_back(id);
    return ids;
  }
  // How many workers may work on the job.
  int64_t WorkersFor(JobId job) const {
    return std::count_if(
        workers.begin(), workers.end(),
        [job](const auto& one) { return one.second.MayWorkOn(job); });
  }
};

// What every decision may use, and where its consequences go.
struct Context {
  absl::Time now;
  Cluster* cluster;
  NumberSource* numbers;
  SchedulerActions* out;

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

// The servers and workers that a scheduler knows.
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
#include "protocol/peer_trouble.h"
#include "scheduler/actions.h"
#include "scheduler/placement.h"

namespace ebb::scheduler {

// A server's last report of one job, for people.
struct ServerReport {
  int64_t updates = 0;  // In the scheduler's life.
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
  bool empty = false;  // It had no part of any job when it registered.
  // Connected or lost since; or heard of, if it never connected.
  absl::Time since = absl::InfinitePast();
  absl::Time last_heard = absl::InfinitePast();
  std::map<JobId, ServerReport> reports;
  // As in RegisterServer.
  std::string shared_folder;
  std::string store;
  bool leaving = false;
  StoreDamage store_damage;    // In its present life.
  bool told_to_leave = false;  // LeaveNow was sent.
  bool goodbye = false;        // It left in good order.
  // The process with this id that was refused last.
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

// A server that a daemon does not reach, as it last said.
struct UnreachedServer {
  PeerTrouble trouble;
  absl::Time since;  // When the first failing call began.
  absl::Time told;   // When the scheduler first heard of it.
  // The daemon computes without it for now.
  bool goes_on = false;
};

struct WorkerInfo {
  SessionId session;
  std::string name;
  int64_t process_id = 0;
  LinkId link;
  absl::Time since = absl::InfinitePast();
  absl::Time last_heard = absl::InfinitePast();
  int32_t wants = 0;  // Items it could take.
  bool draining = false;
  bool parked = false;
  bool goodbye = false;  // It leaves in good order.
  bool silent = false;   // Its lease ran out, and it was not heard since.
  JobId silent_in;       // The job whose lease it was, if it is silent.
  int64_t examples = 0;  // Computed in its life, as it last said.
  JobId job;  // The job for which it works (allotment.h); 0: it is idle.
  // As in RegisterWorker.
  JobId only_job;
  bool no_evaluations = false;
  // It has an evaluation, whether or not that still counts, until it says how
  // it ended.
  bool evaluates = false;
  // Jobs of which it was leased an item: see WorksOn.
  std::set<JobId> leased;
  // Jobs that it could not even begin, and why: their data is not there, or
  // another; or a message of theirs is over a limit.
  struct Unfit {
    std::string why;
    bool over_limit = false;
  };
  std::map<JobId, Unfit> unfit_for;
  // By job.
  std::map<JobId, std::vector<UnreachedServer>> unreached;
  // Jobs of which it does not reach a server that is up: it gets no work of
  // them until it does. See SchedulerCore::SettleUnreached.
  std::set<JobId> cut_off;
  int64_t clock = 0;             // As last heard.
  std::vector<HeldItem> claims;  // Held since before; settled at the start.

  bool MayWorkOn(JobId job) const {
    return (only_job == JobId() || only_job == job) && !unfit_for.contains(job);
  }
  // It may, and it reaches the job's servers, as far as is known.
  bool CanWorkOn(JobId job) const {
    return MayWorkOn(job) && !cut_off.contains(job);
  }
  // It was leased an item of the job, however long ago, or claims so since
  // before this scheduler. The job is not the business of other workers.
  bool WorksOn(JobId job) const {
    return leased.contains(job) ||
           (MayWorkOn(job) &&
            std::ranges::any_of(claims, [job](const HeldItem& held) {
              return held.job == job;
            }));
  }
};

// A daemon's name, for people.
inline std::string NameOf(ServerId server) {
  return "ps-" + std::to_string(server.value());
}

struct Cluster {
  std::map<ServerId, ServerInfo> servers;
  std::map<SessionId, WorkerInfo> workers;

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

// The state that every decision may use, and the place for its consequences.
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

// The servers that a scheduler knows. All parts of the scheduler read what is
// known of a server; it changes here alone, by what happens to the server.
#ifndef EBB_SCHEDULER_SERVERS_H_
#define EBB_SCHEDULER_SERVERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"

namespace ebb::scheduler {

// The latest report of a server about one job, for people.
struct ServerReport {
  int64_t updates = 0;  // Since the scheduler started.
  std::string problem;  // Empty: none.
  ServerProblem problem_kind = ServerProblem::kOther;
  // Pushes refused for want of room: in the last report with any.
  int64_t refused_pushes = 0;
  std::string refusal;
  absl::Time refused_at = absl::InfinitePast();
};

// The facts about a server. See Servers, which changes it.
struct ServerInfo {
  ServerId id;
  SessionId session;  // 0: not heard of in the scheduler's life.
  std::string address;
  int64_t process_id = 0;
  LinkId link;
  bool connected = false;
  bool empty = false;       // It held no job's data when it registered.
  bool lost_store = false;  // It came back so, and had something before.
  // Connected or lost since; or heard of, if it never connected.
  absl::Time since = absl::InfinitePast();
  absl::Time last_heard = absl::InfinitePast();
  std::map<JobId, ServerReport> reports;
  // See RegisterServer.
  std::string shared_folder;
  std::string store;
  bool leaving = false;
  StoreDamage store_damage;    // Found in its present life.
  bool told_to_leave = false;  // LeaveNow was sent.
  bool goodbye = false;        // It left in good order.
  // The other process with this id that was refused last.
  SessionId refused;
  std::string refusal;
  absl::Time refused_at = absl::InfinitePast();
  // When the first such process came after the last word of this one.
  absl::Time challenged_at = absl::InfiniteFuture();
};

// Thread-compatible. Belongs to a Cluster. Verbs take the id of a server that
// is known, but for those that make it known.
class Servers {
 public:
  // --- The servers -----------------------------------------------------------
  using Map = std::map<ServerId, ServerInfo>;
  Map::const_iterator begin() const { return servers_.begin(); }
  Map::const_iterator end() const { return servers_.end(); }
  Map::const_iterator find(ServerId server) const {
    return servers_.find(server);
  }
  bool contains(ServerId server) const { return servers_.contains(server); }
  const ServerInfo& at(ServerId server) const { return servers_.at(server); }
  size_t size() const { return servers_.size(); }
  bool empty() const { return servers_.empty(); }

  // --- Becoming known --------------------------------------------------------
  // From the store: it was there when the scheduler ended.
  void Load(ServerId server, std::string shared_folder, absl::Time now);
  // From the store, later; nothing if the server is not known.
  void LoadStore(ServerId server, std::string store);
  // Others name it.
  void Named(ServerId server, absl::Time now);
  // The server registers, again or for the first time. A new process starts
  // without reports and damage.
  const ServerInfo& Register(const RegisterServer& message, LinkId link,
                             absl::Time now);

  // It has begun a life, with or without the store of the one before.
  void CameBack(ServerId server, bool lost_store) {
    servers_.at(server).lost_store = lost_store;
  }

  // --- Going -----------------------------------------------------------------
  // It will disconnect, in good order.
  void Leaves(ServerId server) { servers_.at(server).goodbye = true; }
  // Its connection is closed.
  void Lost(ServerId server, absl::Time now);
  void Remove(ServerId server) { servers_.erase(server); }

  // --- What it says ----------------------------------------------------------
  void Heard(ServerId server, absl::Time now);
  // Others are to take what it owns.
  void WantsToLeave(ServerId server);
  void Reports(ServerId server, const ServerStatistics& message,
               absl::Time now);
  void FoundDamage(ServerId server, const StoreDamage& damage) {
    servers_.at(server).store_damage = damage;
  }

  // --- What is decided about it ----------------------------------------------
  void ToldToLeave(ServerId server) {
    servers_.at(server).told_to_leave = true;
  }
  // Another process wants its place.
  void Challenged(ServerId server, absl::Time now);
  // Others were refused its place: `why` is for people.
  void RefusedOther(ServerId server, std::string why, absl::Time now);
  // A process with this id is refused, which makes the server known. True: it
  // is another one than the last.
  bool Refuses(ServerId server, SessionId process);
  // This process stood still: challenges count from now on.
  void StoodStill(absl::Time now);
  // The job is no more.
  void ForgetReports(JobId job);

 private:
  ServerInfo& Known(ServerId server);

  Map servers_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SERVERS_H_

// Knows for a worker where a job's partitions are.
//
// Thread-compatible.
#ifndef EBB_CLIENT_ROUTES_H_
#define EBB_CLIENT_ROUTES_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/peer_trouble.h"

namespace ebb::client {

class Routes {
 public:
  struct Route {
    bool known = false;  // The partition is served, as far as we heard.
    ServerId server;
    Term term;
  };
  struct Server {
    SessionId session;
    std::string address;
    // Numbers this worker's pushes to this life of the server.
    int64_t incarnation = 0;
    int64_t next_sequence = 0;
    // It answered the last request, or is in another life since.
    bool answers = true;
    // Else: since when not, and what the last call ended with.
    absl::Time broken_since;
    CallFailure why;
    // A call that began after the first that failed has failed, too.
    bool failed_again = false;
    // When the first push failed since the last one that was answered;
    // InfiniteFuture: none did. pushes_fail: one that began later failed, too.
    // Answered pulls say little about pushes, which are larger.
    absl::Time push_failed_at = absl::InfiniteFuture();
    bool pushes_fail = false;
    // A question after the first failure was answered: earlier requests may be
    // slow, and the server is there.
    bool answered_question = false;
    // After a failure nothing is sent before this.
    absl::Time retry_at = absl::InfinitePast();
    int failures = 0;
    // Calls that it had no room for since it last took a push.
    int refusals = 0;
    // In this life it had no room for a push: they are kept until answered.
    bool short_of_room = false;
  };
  // The changes that a placement made.
  struct Changes {
    std::vector<PartitionId> partitions;  // Under another term now.
    std::vector<ServerId> servers;  // Servers that are in another life now.
  };

  // `first_incarnation` is above all that this worker ever used for the job.
  explicit Routes(int32_t partitions, int64_t first_incarnation = 0)
      : first_incarnation_(first_incarnation), routes_(partitions) {}

  // Takes over the newer parts of a placement.
  Changes Update(const Placement& placement);

  // Stops using a partition's route until a newer one comes.
  void Forget(PartitionId p) {
    routes_[p.value()].known = false;
    ++version_;
  }
  const Route& at(PartitionId p) const { return routes_[p.value()]; }
  bool Complete() const;

  // The server of a known route.
  Server& server(ServerId id) { return servers_.at(id); }
  const Server& server(ServerId id) const { return servers_.at(id); }
  bool Knows(ServerId id) const { return servers_.contains(id); }
  const std::map<ServerId, Server>& servers() const { return servers_; }

  // Grows with every change of a route or of a server's life.
  int64_t version() const { return version_; }
  // The earliest retry_at after a time.
  absl::Time NextRetry(absl::Time after) const;

  // A stream broke, or was superseded: pushes begin anew.
  void NewIncarnation(ServerId id) {
    ++servers_.at(id).incarnation;
    servers_.at(id).next_sequence = 0;
  }
  // Above every incarnation used so far.
  int64_t unused_incarnation() const;
  // It answers that it has no room: try again later, with back-off.
  void LacksRoom(ServerId id, absl::Time now);
  // It was a push; no other is on its way.
  void ShortOfRoom(ServerId id) { servers_.at(id).short_of_room = true; }
  // Call it before Broke. A call that fails more than `push_lasts` after the
  // first failure began after it.
  void PushFailed(ServerId id, absl::Duration push_lasts, absl::Time now);
  void PushAnswered(ServerId id) {
    servers_.at(id).push_failed_at = absl::InfiniteFuture();
    servers_.at(id).pushes_fail = false;
  }
  // It took a push.
  void HadRoom(ServerId id) { servers_.at(id).refusals = 0; }
  // The server cannot be reached: try again later, with back-off. `urgent`:
  // something waits for it. A call that fails more than `call_lasts` after the
  // first failure began after it.
  void Broke(ServerId id, const CallFailure& why, bool urgent,
             absl::Duration call_lasts, absl::Time now);
  void Answered(ServerId id) {
    servers_.at(id).failures = 0;
    servers_.at(id).answers = true;
  }
  // The answers to questions after its first failure; see Server.
  void AnsweredQuestion(ServerId id) {
    servers_.at(id).answered_question = true;
  }
  void FailedAgain(ServerId id) { servers_.at(id).failed_again = true; }
  // The servers of partitions that do not answer.
  std::vector<ServerId> Broken() const;
  // No server is known for the partition, or its server does not answer.
  bool Away(PartitionId p) const {
    return !at(p).known || !server(at(p).server).answers;
  }

 private:
  // Schedules a retry after this many failures.
  void RetryAfter(ServerId id, int failures, int most_doublings,
                  absl::Time now);
  void RetryAt(ServerId id, Server* server, absl::Time time);

  int64_t first_incarnation_;
  std::vector<Route> routes_;
  std::map<ServerId, Server> servers_;
  int64_t version_ = 0;
  // Servers that failed, also in the past: at most one entry for each.
  absl::btree_set<std::pair<absl::Time, ServerId>> retries_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ROUTES_H_

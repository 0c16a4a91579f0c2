// Servers of one job that this worker does not reach, or at whose address
// another server answers: it says so, in its log and to the scheduler, and asks
// them again; and it asks the scheduler where the partitions are.
//
// Thread-compatible.
#ifndef EBB_CLIENT_SERVER_REACH_H_
#define EBB_CLIENT_SERVER_REACH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "client/actions.h"
#include "client/job_loading.h"
#include "client/job_state.h"
#include "common/ids.h"
#include "common/rare_telling.h"
#include "protocol/answer_check.h"
#include "protocol/messages.h"
#include "protocol/peer_trouble.h"

namespace ebb::client {

class ServerReach {
 public:
  // Neither is owned, and both outlive it.
  ServerReach(JobState* job, const JobLoading* loading)
      : job_(*job), loading_(*loading) {}

  // The servers that have not answered for a while, and why.
  std::vector<PeerTrouble> Unreached(absl::Time now) const;

  // A call to the server failed.
  void Broke(ServerId server, const CallFailure& why, absl::Time now,
             ClientActions* out);
  // The same as Broke, and what was pushed on the stream may be lost, too.
  void BreakServer(ServerId server, const CallFailure& why, absl::Time now,
                   ClientActions* out);

  // The server's address answered: `from` in `from_session`, as the reply says.
  // Returns why the reply is to be taken for a failed call; see AnswerCheck.
  std::optional<CallFailure> WhyNotFrom(ServerId server, ServerId from,
                                        SessionId from_session, absl::Time now);
  // The scheduler says again which session of each server is the one.
  void OnPlaced(const Placement& placement, absl::Time now);

  // Asks silent servers whether they answer: always while no work asks them,
  // and once after a first call without an answer.
  void Probe(absl::Time now, ClientActions* out);
  // The call was such a question; it is no longer under way.
  bool TakeProbe(const PullId& id);
  void OnProbeAnswered(ServerId server);
  void OnProbeFailed(ServerId server, const CallFailure& why, absl::Time now,
                     ClientActions* out);

  // Tells the log and the scheduler of servers that answer again.
  void TellReached(absl::Time now, ClientActions* out);
  // Asks where the partitions are, at most every 50 ms; the request says which
  // servers are not reached.
  void AskForPlacement(absl::Time now, ClientActions* out);
  // When it may be asked again; in the past: at once.
  absl::Time next_placement() const { return next_placement_; }
  // What the scheduler was told is forgotten with its session.
  void ForgetTold() { told_.clear(); }
  // The worker forgets the job: the scheduler hears that it misses no server.
  void SayForgotten(ClientActions* out);

 private:
  // Pulls and pushes are made that find out whether a server answers.
  bool AsksByWork() const { return loading_.ready() && job_.wanted(); }
  // It computes batches without the servers that are away, or may.
  bool ComputesOn() const;
  void SendPlacementRequest(absl::Time now, ClientActions* out);

  JobState& job_;
  const JobLoading& loading_;
  AnswerCheck answers_{AnswerCheck::kKeepComing};
  std::set<ServerId> told_;  // In the present session with the scheduler.
  std::map<ServerId, int64_t> probes_;  // Requests under way.
  std::map<ServerId, RareTelling> logged_;
  absl::Time next_placement_ = absl::InfinitePast();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_SERVER_REACH_H_

// The servers that are there, what they say, and which of those that left are
// remembered.
//
// Decision logic only. Thread-compatible. Belongs to a SchedulerCore.
#ifndef EBB_SCHEDULER_SERVER_SESSIONS_H_
#define EBB_SCHEDULER_SERVER_SESSIONS_H_

#include <map>
#include <set>
#include <utility>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/cluster.h"
#include "scheduler/known_jobs.h"
#include "scheduler/scheduler_state.h"
#include "scheduler/server_admission.h"

namespace ebb::scheduler {

class ServerSessions {
 public:
  // The arguments are not owned, and outlive it.
  ServerSessions(SchedulerState* state, KnownJobs* jobs,
                 ServerAdmission* admission, FinishEvent finish)
      : state_(*state),
        jobs_(*jobs),
        admission_(*admission),
        finish_(std::move(finish)) {}

  // From the store: it left, and has not come back.
  void LoadFormer(ServerId server) { former_.insert(server); }

  // True: a server registered, so that all may be there.
  bool On(LinkId link, const ServerToScheduler& message, Context* context);
  void OnDisconnected(LinkId link, absl::Time now, SchedulerActions* out);

  // Tells servers that are leaving when nothing more is taken from them.
  void SettleLeaving(Context* context);
  // Forgets servers that are away for so long that others took what they had.
  void ForgetGone(Context* context);

 private:
  bool Handle(LinkId link, const RegisterServer& message, Context* context);
  bool Handle(LinkId link, const RegisterPartitions& message, Context* context);
  bool Handle(LinkId link, const MarkReport& message, Context* context);
  bool Handle(LinkId link, const ViewRequest& message, Context* context);
  bool Handle(LinkId link, const SnapshotReply& message, Context* context);
  bool Handle(LinkId link, const ServerStatistics& message, Context* context);
  bool Handle(LinkId link, const ServerGoodbye& message, Context* context);
  bool Handle(LinkId link, const ServerAlive& message, Context* context) {
    return false;
  }
  bool Handle(LinkId link, const ServerLeaving& message, Context* context);
  bool Handle(LinkId link, const MoveProgress& message, Context* context);
  bool Handle(LinkId link, const MovedIn& message, Context* context);

  const ServerInfo* Of(LinkId link);
  // Returns whether a server comes back without what it had stored.
  bool LostStore(const ServerInfo& before, const RegisterServer& message) const;
  // The server is the process that registers, from now on.
  const ServerInfo& TakeIn(LinkId link, const RegisterServer& message,
                           bool known, Context* context);
  // Returns what it says of jobs, without those that are not believed.
  std::map<JobId, const JobRegistration*> HearJobs(
      const ServerInfo& server, const RegisterServer& message,
      Context* context);
  // The server says what it found damaged in its store; news are logged.
  void FoundDamage(const StoreDamage& damage, const ServerInfo& server,
                   Context* context);
  void Lose(const ServerInfo& server, Context* context);
  void TakeInNamed(Context* context);
  void Forget(ServerId server, Context* context);

  SchedulerState& state_;
  KnownJobs& jobs_;
  ServerAdmission& admission_;
  const FinishEvent finish_;
  std::map<LinkId, ServerId> links_;
  // Servers that left in good order or were given up, and have not come back.
  std::set<ServerId> former_;
  // Servers that were named by others since this scheduler's start.
  std::set<ServerId> named_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SERVER_SESSIONS_H_

// The workers that are there, and what they say.
//
// Decision logic only. Thread-compatible. Belongs to a SchedulerCore.
#ifndef EBB_SCHEDULER_WORKER_SESSIONS_H_
#define EBB_SCHEDULER_WORKER_SESSIONS_H_

#include <map>
#include <utility>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/cluster.h"
#include "scheduler/scheduler_state.h"
#include "scheduler/worker_reach.h"
#include "scheduler/worker_shares.h"

namespace ebb::scheduler {

class WorkerSessions {
 public:
  // The arguments are not owned, and outlive it.
  WorkerSessions(SchedulerState* state, WorkerShares* shares,
                 WorkerReach* reach, FinishEvent finish)
      : state_(*state),
        shares_(*shares),
        reach_(*reach),
        finish_(std::move(finish)) {}

  void On(LinkId link, const WorkerToScheduler& message, Context* context);
  void OnDisconnected(LinkId link, absl::Time now, SchedulerActions* out);

  // Jobs have started: workers keep what they hold since before this scheduler,
  // unless somebody else has it.
  void SettleAllClaims(Context* context);
  // Its leases of the job ran out: it may be there, but says nothing.
  void FellSilent(SessionId worker, JobId job);

 private:
  void Handle(LinkId link, const RegisterWorker& message, Context* context);
  void Handle(LinkId link, const LeaseRequest& message, Context* context);
  void Handle(LinkId link, const Progress& message, Context* context);
  void Handle(LinkId link, const ItemEnd& message, Context* context);
  void Handle(LinkId link, const PlacementRequest& message, Context* context);
  void Handle(LinkId link, const EvaluationResult& message, Context* context);
  void Handle(LinkId link, const DataReached& message, Context* context);
  void Handle(LinkId link, const WorkerGoodbye& message, Context* context);

  // Null: nobody registered on it.
  const WorkerInfo* Of(LinkId link) const;
  void WarnOfNamesake(const RegisterWorker& message, Context* context) const;
  void SettleClaims(const WorkerInfo& worker, Context* context);
  void Lose(SessionId session, Context* context);

  SchedulerState& state_;
  WorkerShares& shares_;
  WorkerReach& reach_;
  const FinishEvent finish_;
  std::map<LinkId, SessionId> links_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_WORKER_SESSIONS_H_

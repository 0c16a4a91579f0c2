// Which worker works for which job (allotment.h), and what the workers that
// want something are given to do.
//
// Decision logic only. Thread-compatible. Belongs to a SchedulerCore.
#ifndef EBB_SCHEDULER_WORKER_SHARES_H_
#define EBB_SCHEDULER_WORKER_SHARES_H_

#include <map>
#include <set>

#include "common/ids.h"
#include "scheduler/allotment.h"
#include "scheduler/cluster.h"
#include "scheduler/job/training_job.h"
#include "scheduler/scheduler_state.h"

namespace ebb::scheduler {

class WorkerShares {
 public:
  // `state` is not owned, and outlives it.
  explicit WorkerShares(SchedulerState* state)
      : state_(*state), allotment_(&state->cluster) {}

  // --- One worker ------------------------------------------------------------
  // The worker shows what it does for the job: it works for it from now on, if
  // it works for none and the job may have it.
  void MaybeKeep(const WorkerInfo& worker, JobId job);
  // It may be able to do more or less than before.
  void LookAt(const WorkerInfo& worker);
  // Does the same as LookAt, if it takes part in sharing already.
  void LookAgainAt(const WorkerInfo& worker);
  // It wants items.
  void Wants(const WorkerInfo& worker);
  void Forget(SessionId worker);

  // --- All of them -----------------------------------------------------------
  // Jobs that workers could not begin may be tried by them again.
  void LookAgain() { allotment_.LookAgain(); }
  void ForgetJob(JobId job) { waiting_.erase(job); }
  // Workers go where they are wanted most, and are given what there is to do.
  void Settle(Context* context);

  const Allotment& allotment() const { return allotment_; }

 private:
  Allotment::JobClaim ClaimOf(const TrainingJob& job);
  void Share(Context* context);
  bool HoldsItems(SessionId worker) const;
  void OfferEvaluations(Context* context);
  // True: one of the workers evaluates the job's model.
  bool OfferEvaluation(const std::set<SessionId>& workers, TrainingJob* job,
                       Context* context);
  void OfferWork(Context* context);
  // A worker is to look for more data of each job that needs that.
  void OfferLooks(Context* context);

  SchedulerState& state_;
  Allotment allotment_;
  // Workers that want items, by the job that they belong to; of 0: to none.
  std::map<JobId, std::set<SessionId>> waiting_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_WORKER_SHARES_H_

// The view of one job (view.h): who joins and leaves it, and when its owners
// are told.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_VIEW_KEEPER_H_
#define EBB_SCHEDULER_JOB_VIEW_KEEPER_H_

#include <cstdint>

#include "common/ids.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/view.h"

namespace ebb::scheduler {

class ViewKeeper {
 public:
  // `job` is not owned, and outlives it.
  explicit ViewKeeper(const JobTables* job) : job_(*job) {}

  const View& view() const { return view_; }

  // Does nothing if the worker is in the view, if the job has none, or if
  // `clock` is -1.
  void Join(SessionId worker, int64_t clock, Context* context);
  void Leave(SessionId worker, Context* context);
  // Does the same as Leave, but tells nobody. False: it was not there.
  bool Remove(SessionId worker, Context* context);
  // Everybody leaves. Tells nobody.
  void Clear(Context* context);
  // Learns what a worker says of its clock.
  void Learn(SessionId worker, int64_t clock) { view_.Learn(worker, clock); }

  void Broadcast(Context* context);
  void Send(const ServerInfo& server, Context* context) const;

 private:
  const JobTables& job_;
  View view_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_VIEW_KEEPER_H_

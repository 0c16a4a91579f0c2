// How far data that grows is known to reach. One worker at a time has the duty
// to look for more of it, one look after the other: so a job whose data is all
// used holds no worker, and goes on when there is more.
//
// What is known is a hint. It decides what is worth leasing, and never what is
// applied or complete. It is lost with the scheduler, and found again by the
// next look.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_DATA_WATCH_H_
#define EBB_SCHEDULER_JOB_DATA_WATCH_H_

#include <cstdint>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_tables.h"

namespace ebb::scheduler {

class DataWatch {
 public:
  // `job` is not owned, and outlives it.
  explicit DataWatch(JobTables* job) : job_(*job) {}

  // Returns whether a worker is to look, and none does.
  bool WantsWorker() const;
  // The worker that looks; 0: none.
  SessionId worker() const { return worker_; }
  // The one that was asked last and did not answer; 0: none.
  SessionId failed() const { return failed_; }

  void Ask(SessionId worker, Context* context);
  // Returns whether the data ends where the message says, for good.
  bool Reached(const DataReached& message, absl::Time now);
  void WorkerLost(SessionId worker);
  // A worker that does not answer is believed to be gone.
  void Tick(absl::Time now);
  absl::Time NextTick() const;

  // The leases of a generation know nothing yet.
  void BeginGeneration() { job_.leases.DataReaches(reached_); }

 private:
  JobTables& job_;
  int64_t reached_ = 0;
  SessionId worker_;
  SessionId failed_;
  absl::Time deadline_ = absl::InfiniteFuture();
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_DATA_WATCH_H_
